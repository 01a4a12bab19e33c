//! The whole audit, again and again while a test runs.
//!
//! Invariant: a look that failed is a finding, and so is a watch that never looked.

use cue_simfarm::audit::audit;
use cue_simfarm::waiting::within;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A continuous audit; dropping it ends it.
pub struct FullWatch {
    stop: CancellationToken,
    task: JoinSet<(u64, Vec<String>)>,
}

impl FullWatch {
    /// Begins to look.
    pub fn start(pool: PgPool) -> Self {
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(look(pool, stop.clone()));
        Self { stop, task }
    }

    /// Ends the watch, which must have looked and found nothing. Returns how often it looked.
    pub async fn assert_sound(mut self) -> u64 {
        self.stop.cancel();
        let ended = within("the watch to end", self.task.join_next()).await;
        let (looks, findings) = ended.unwrap().unwrap();
        assert!(looks > 0, "nobody looked");
        assert!(findings.is_empty(), "{}", findings.join("\n"));
        looks
    }
}

/// Looks until it is stopped, or has found something: what follows a first fault says little.
async fn look(pool: PgPool, stop: CancellationToken) -> (u64, Vec<String>) {
    let mut looks = 0;
    while !stop.is_cancelled() {
        match audit(&pool, None).await {
            Ok(audit) if audit.is_ok() => looks += 1,
            Ok(audit) => return (looks, vec![audit.to_string()]),
            Err(error) => return (looks, vec![format!("{error:#}")]),
        }
    }
    (looks, Vec::new())
}
