//! Needs of all tests of faults: short time limits, metrics by all their labels, rows that somebody
//! else holds, and an end that does not insist on one launch a frame.

use cue_simfarm::waiting::{until, within};

use cue_simfarm::audit::{AuditOptions, LaunchLog, audit_with};
use cue_simfarm::completion::CompletionStats;
pub use cue_simfarm::dice::{Dice, from_environment};
use sqlx::{PgPool, Postgres, Transaction};

use crate::world::{Scheduler, World};

/// Limits under which a booking that nobody launched counts as forgotten after about 2.5 s.
pub const SHORT: [(&str, &str); 4] = [
    ("CUE_LAUNCH_DEADLINE", "200ms"),
    ("CUE_RQD_CONNECT_TIMEOUT", "100ms"),
    ("CUE_RQD_REQUEST_TIMEOUT", "200ms"),
    ("CUE_RESOLVE_ATTEMPTS", "2"),
];

/// Number of statements that the database refused to a scheduler.
pub fn errors(scheduler: &Scheduler) -> f64 {
    scheduler.sum_of("scheduler_db_statements_total", "error")
}

/// No stage gave work back because of an error, panicked or died.
pub fn assert_calm(scheduler: &Scheduler) {
    for verdict in ["retry", "panic", "fatal"] {
        let seen = scheduler.sum_of("scheduler_stage_items_total", verdict);
        assert_eq!(seen, 0.0, "{verdict}");
    }
}

/// Number of placements that a cap kept from being booked.
pub fn refused(scheduler: &Scheduler, cap: &str) -> f64 {
    scheduler.sum_of("scheduler_booking_refused_total", cap)
}

/// A transaction of somebody else that holds the rows which a statement locks.
pub async fn holding(
    pool: &PgPool,
    lock: &'static str,
    id: &str,
) -> Transaction<'static, Postgres> {
    let mut tx = pool.begin().await.unwrap();
    let held = sqlx::query(lock).bind(id).fetch_all(&mut *tx).await;
    assert!(!held.unwrap().is_empty(), "{lock}");
    tx
}

/// Waits until `n` sessions of this database wait for a lock.
pub async fn waiting_sessions(pool: &PgPool, n: i64) {
    let count = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("a session that waits for a lock", async || {
        let waiting: i64 = sqlx::query_scalar(count).fetch_one(pool).await.unwrap();
        waiting >= n
    })
    .await;
}

/// Takes everything down and audits it as [`World::close`] does, but frames may have been launched
/// more than once, one run after the other.
pub async fn close_after_reruns(world: World) -> CompletionStats {
    let World { db, rqd, completer } = world;
    let log = LaunchLog::of(&rqd);
    within("the hosts to stop", rqd.shutdown()).await;
    let stats = within("the completer to finish", completer.finish()).await;
    assert_eq!(stats.lost, 0, "every report was applied");
    let options = AuditOptions {
        launches: Some(&log),
        ..AuditOptions::default()
    };
    let audit = audit_with(&db.pool, &options).await.unwrap();
    assert!(audit.is_ok(), "{audit}");
    db.close().await.unwrap();
    stats
}
