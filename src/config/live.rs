//! Changes of workers of a running service.
//!
//! Invariant: what would be refused at start is refused while the service runs, with the same sum, so that no
//! change can starve the stages of database connections.

use std::num::NonZeroUsize;

use super::cross::pool_covers_stages;
use super::database::Database;
use super::fault::Fault;
use super::settings::Settings;
use super::stages::Stages;

/// Widths of a service that runs with these settings.
#[derive(Clone, Debug)]
pub struct LiveWidths {
    stages: Stages,
    database: Database,
}

impl LiveWidths {
    /// The widths of the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            stages: settings.stages.clone(),
            database: settings.database.clone(),
        }
    }

    /// Succeeds if `stage` may have `workers` while the others have those of `running`. Fewer workers
    /// than now are always allowed.
    ///
    /// # Errors
    /// The pool would be too small.
    pub fn check<'a>(
        &self,
        running: impl IntoIterator<Item = (&'a str, NonZeroUsize)>,
        stage: &str,
        workers: NonZeroUsize,
    ) -> Result<(), Fault> {
        let mut stages = self.stages.clone();
        for (name, now) in running {
            if let Some(width) = stages.width_mut(name) {
                width.workers = now;
            }
        }
        let Some(width) = stages.width_mut(stage) else {
            return Ok(());
        };
        let fewer = workers <= width.workers;
        width.workers = workers;
        match pool_covers_stages(&stages, &self.database) {
            Some(fault) if !fewer => Err(fault),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn widths() -> LiveWidths {
        let environment = std::collections::BTreeMap::from([(
            "CUE_DATABASE_URL".to_owned(),
            "postgresql://h/d".to_owned(),
        )]);
        LiveWidths::new(&load(None, &environment, &[]).settings.unwrap())
    }

    fn workers(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    /// The most workers of dispatch that are allowed.
    fn most(widths: &LiveWidths, running: &[(&str, NonZeroUsize)]) -> usize {
        let allowed = |count: &usize| {
            let running = running.iter().copied();
            widths.check(running, "dispatch", workers(*count)).is_ok()
        };
        (1..=1000).take_while(allowed).last().unwrap()
    }

    #[test]
    fn the_pool_must_hold_for_what_runs_now_and_not_for_what_was_set() {
        let widths = widths();
        let most_as_set = most(&widths, &[]);
        let one_more = workers(most_as_set + 1);
        let fault = widths.check([], "dispatch", one_more).unwrap_err();
        let needed = widths.database.pool + 1;
        let wanted = format!("need {needed} connections");
        assert!(fault.to_string().contains(&wanted), "{fault}");
        let now = widths.stages.layer_lock.workers.get() + 1;
        let running = [("layer_lock", workers(now))];
        assert_eq!(most(&widths, &running), most_as_set - 1);
        let fault = widths.check(running, "dispatch", one_more).unwrap_err();
        let wanted = format!("{now} layer_lock.workers");
        assert!(fault.to_string().contains(&wanted), "{fault}");
    }

    #[test]
    fn stages_without_connections_and_fewer_workers_are_always_allowed() {
        let widths = widths();
        assert_eq!(widths.check([], "check_in", workers(256)), Ok(()));
        let running = [("dispatch", workers(99))];
        assert_eq!(widths.check(running, "dispatch", workers(50)), Ok(()));
    }
}
