//! Liveness of the pipeline: a part that has work and finishes none of it has stalled.
//!
//! The state is read at looks. Invariants: a part without work never stalls; the patience is counted in looks and not
//! in time, so a machine that slept stalls nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cue_flow::{Kind, StageStatus};
use parking_lot::Mutex;

use crate::config::Settings;

/// Longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Time that a pass may take beside its statements and its questions to hosts.
const SLACK: Duration = Duration::from_secs(60);

/// Statements, and questions to hosts, of the longest pass that makes progress, with a margin.
const CALLS: u32 = 10;

/// Progress of every part. Clones share the verdict.
#[derive(Clone, Debug, Default)]
pub struct Liveness(Arc<Mutex<Option<&'static str>>>);

impl Liveness {
    /// Name of a part that has stalled.
    #[must_use]
    pub fn stalled(&self) -> Option<&'static str> {
        *self.0.lock()
    }

    /// Records the verdict of a look. Returns true if it has changed.
    pub fn record(&self, stalled: Option<&'static str>) -> bool {
        let mut last = self.0.lock();
        std::mem::replace(&mut *last, stalled) != stalled
    }
}

/// Time between two looks, for a service manager that wants to hear of each within `watchdog`.
#[must_use]
pub fn look_every(watchdog: Option<Duration>) -> Duration {
    let half = watchdog.map_or(LOOK_EVERY, |limit| limit / 2);
    half.clamp(Duration::from_millis(1), LOOK_EVERY)
}

/// Progress of the parts between looks.
#[derive(Debug)]
pub struct Progress {
    patience: u32,
    parts: HashMap<&'static str, Seen>,
}

/// Last progress of a part.
#[derive(Debug, Default)]
struct Seen {
    finished: u64,
    looks_since: u32,
}

impl Progress {
    /// Progress that is looked at once in `every`, and judged by the longest times of these settings.
    #[must_use]
    pub fn new(settings: &Settings, every: Duration) -> Self {
        let pass = settings.database.statement_timeout + settings.rqd.request_timeout;
        let patience = (SLACK + pass * CALLS).as_micros() / every.as_micros().max(1);
        Self::with_patience(u32::try_from(patience).unwrap_or(u32::MAX))
    }

    fn with_patience(patience: u32) -> Self {
        Self {
            patience,
            parts: HashMap::new(),
        }
    }

    /// Looks at the parts. Returns the name of one that had work at this look and at as many before as the patience
    /// is long, and finished nothing in between. Sources are left out: they wait for the stages.
    pub fn look(&mut self, parts: &[StageStatus]) -> Option<&'static str> {
        let mut stalled = None;
        for part in parts.iter().filter(|part| part.kind != Kind::Source) {
            let items = part.items;
            let finished = items.done + items.skip + items.retry + items.fatal + items.panic;
            let has_work = part.busy > 0 || part.queue_depth > 0;
            let seen = self.parts.entry(part.name).or_default();
            if has_work && seen.finished == finished {
                seen.looks_since = seen.looks_since.saturating_add(1);
            } else {
                seen.looks_since = 0;
            }
            seen.finished = finished;
            if seen.looks_since > self.patience {
                stalled = stalled.or(Some(part.name));
            }
        }
        stalled
    }
}

#[cfg(test)]
mod tests {
    use cue_flow::Items;

    use super::*;

    fn part(name: &'static str, kind: Kind, (busy, depth): (u64, u64), done: u64) -> StageStatus {
        StageStatus {
            name,
            kind,
            workers: 2,
            busy,
            queue_depth: depth,
            queue_capacity: 4,
            items: Items {
                done,
                ..Items::default()
            },
            queue_wait_p50: None,
            queue_wait_p99: None,
            run_p50: None,
            run_p99: None,
        }
    }

    #[test]
    fn a_part_with_work_stalls_when_the_patience_is_over_and_recovers() {
        let mut progress = Progress::with_patience(3);
        let mut look = |done| progress.look(&[part("dispatch", Kind::Stage, (1, 0), done)]);
        assert_eq!(look(7), None);
        assert_eq!([look(7), look(7), look(7)], [None; 3]);
        assert_eq!(look(7), Some("dispatch"));
        assert_eq!(look(8), None, "it has finished an item");
        assert_eq!(look(8), None);
    }

    #[test]
    fn looks_are_as_frequent_as_the_watchdog_wants_and_the_patience_stays() {
        let url = ("CUE_DATABASE_URL".to_owned(), "postgresql://h/d".to_owned());
        let settings = crate::config::load(None, &[url].into(), &[])
            .settings
            .unwrap();
        for (watchdog, every, looks) in [(None, 5_000, 42), (Some(2), 1_000, 210)] {
            let look = look_every(watchdog.map(Duration::from_secs));
            assert_eq!(look, Duration::from_millis(every));
            assert_eq!(Progress::new(&settings, look).patience, looks);
        }
    }

    #[test]
    fn what_is_queued_before_dead_workers_stalls_too() {
        let mut progress = Progress::with_patience(1);
        let parts = [part("layer_lock", Kind::Stage, (0, 3), 0)];
        let looks: Vec<_> = (0..3).map(|_| progress.look(&parts)).collect();
        assert_eq!(looks[2], Some("layer_lock"), "{looks:?}");
    }

    #[test]
    fn an_idle_part_a_source_and_a_loop_that_pauses_never_stall() {
        let mut progress = Progress::with_patience(0);
        let parts = [
            part("cluster_feed", Kind::Source, (1, 0), 5),
            part("job_fetch", Kind::Stage, (0, 0), 5),
            part("accounts", Kind::Tick, (0, 0), 5),
        ];
        assert!((0..100).all(|_| progress.look(&parts).is_none()));
    }

    #[test]
    fn work_that_comes_and_goes_between_looks_is_progress() {
        let mut progress = Progress::with_patience(1);
        for done in 0..100 {
            let parts = [part("dispatch", Kind::Stage, (2, 2), done)];
            assert_eq!(progress.look(&parts), None);
        }
    }

    #[test]
    fn a_verdict_is_shared_and_its_change_is_noticed() {
        let (liveness, mut changes) = (Liveness::default(), Vec::new());
        let shown = liveness.clone();
        for stalled in [None, Some("dispatch"), Some("dispatch"), None] {
            changes.push(liveness.record(stalled));
            assert_eq!(shown.stalled(), stalled);
        }
        assert_eq!(changes, [false, true, false, true]);
    }
}
