//! SIGHUP: reads the settings again and applies those that can change while the program runs.
//!
//! Invariant: settings with a fault change nothing. Only the filter of the log and the workers of the stages are
//! applied; other settings that differ are named in the log, and wait for the next start.

use cue_cluster_feed::FeedHandle;

use crate::admin::AdminControls;
use crate::config::{Effective, Loaded};
use crate::supervisor;
use crate::telemetry::ALWAYS;

/// Reloads the settings of a running pipeline.
pub struct Reload<R> {
    read: R,
    started_with: Vec<Effective>,
    controls: AdminControls,
    feed: FeedHandle,
}

impl<R: Fn() -> Loaded> Reload<R> {
    /// Reads the settings with `read`, whose values now are those that the program started with.
    pub fn new(read: R, controls: AdminControls, feed: FeedHandle) -> Self {
        Self {
            started_with: read().effective,
            read,
            controls,
            feed,
        }
    }

    /// Applies the settings as they are now, and requests a complete reading of the waiting work.
    pub fn now(&self) {
        supervisor::reloading();
        let loaded = (self.read)();
        match &loaded.settings {
            Ok(settings) => {
                self.controls.adopt(settings);
                let waiting = waiting_for_restart(&self.started_with, &loaded.effective);
                if !waiting.is_empty() {
                    let keys = waiting.join(", ");
                    tracing::warn!(target: ALWAYS, keys, "these settings have changed and wait for a restart");
                }
                tracing::info!("SIGHUP: the settings and the waiting work are read again");
            }
            Err(faults) => {
                tracing::error!(%faults, "SIGHUP: the settings have faults and stay as they were")
            }
        }
        self.feed.reload_now();
        supervisor::ready();
    }
}

/// Keys whose values differ and are not applied to a running program. Secrets are masked, so their change is not seen.
fn waiting_for_restart(before: &[Effective], after: &[Effective]) -> Vec<&'static str> {
    let is_live = |key: &str| {
        key == "logging.filter" || key.starts_with("stages.") && key.ends_with(".workers")
    };
    let changed = before
        .iter()
        .zip(after)
        .filter(|(before, after)| before.value != after.value && !is_live(before.setting.key));
    changed.map(|(before, _)| before.setting.key).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::load;

    fn with(pairs: &[(&str, &str)]) -> Vec<Effective> {
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: BTreeMap<String, String> = pairs.iter().map(named).collect();
        load(None, &environment, &[]).effective
    }

    #[test]
    fn settings_that_wait_for_a_restart_are_named_and_live_ones_are_not() {
        let after = with(&[
            ("CUE_LOG", "debug"),
            ("CUE_DISPATCH_WORKERS", "5"),
            ("CUE_DISPATCH_QUEUE", "5"),
            ("CUE_FACILITY", "north"),
        ]);
        let waiting = waiting_for_restart(&with(&[]), &after);
        assert_eq!(waiting, ["stages.dispatch.queue", "feed.facility"]);
        assert!(waiting_for_restart(&after, &after).is_empty());
    }
}
