//! Connections of the pool, also for a role that may have fewer than the pool.
//!
//! A caller of the pool that finds no idle connection opens one, and tries again and again while the
//! server refuses (53300, too many connections), even if another caller returns a connection
//! meanwhile. Such a caller looks at the idle connections as well.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

/// Interval between two looks at the idle connections, while a connection is being opened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns a connection, opened or idle, whichever comes first.
pub(crate) async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let opened = pool.acquire();
    tokio::pin!(opened);
    loop {
        if let Ok(answer) = tokio::time::timeout(LOOK_EVERY, &mut opened).await {
            return answer;
        }
        if let Some(idle) = pool.try_acquire() {
            return Ok(idle);
        }
    }
}
