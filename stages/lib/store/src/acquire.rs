//! Connections of the pool, also for a role that may have fewer than the pool.
//!
//! A caller of the pool that finds no idle connection opens one, and tries again and again while the
//! server refuses (53300, too many connections), even if another caller returns a connection
//! meanwhile. Such a caller looks at the idle connections as well.

use std::time::Duration;

use prometheus::IntGauge;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

/// Interval between two looks at the idle connections, while a connection is being opened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A caller that waits for a connection, counted until this is dropped.
struct Waiting<'a>(&'a IntGauge);

impl<'a> Waiting<'a> {
    fn new(count: &'a IntGauge) -> Self {
        count.inc();
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Returns a connection, opened or idle, whichever comes first. Callers that wait are counted in `waiting`.
pub(crate) async fn acquire(
    pool: &PgPool,
    waiting: &IntGauge,
) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let _waiting = Waiting::new(waiting);
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
