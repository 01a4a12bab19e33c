//! Messages about the accounts: releases that Cuebot leaves to us, and comparisons by replicas.
//!
//! Invariant: messages only say where to look. A message that is lost, or acted on twice, changes
//! nothing but the time until a counter is right again.

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgNotification;

use super::keys::CounterKeys;

/// Channel on which Cuebot reports releases of managed shows (OPENCUE.md, Counters).
pub(super) const RELEASES: &str = "acct_release";

/// Channel on which a replica announces that it compares the accounts.
pub(super) const LOOKS: &str = "cue_accounts";

/// A release as Cuebot reports it. Its amounts are left out on purpose: counters are summed.
#[derive(Deserialize)]
struct Release {
    show: String,
    alloc: String,
    folder: String,
    job: String,
    layer: String,
    dept: String,
}

/// Announcement of a replica that compares the accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Name of the replica.
    pub replica: String,
    /// Time until its next comparison, in milliseconds.
    pub period_ms: u64,
}

/// Messages since the last call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Releases that Cuebot left to the scheduler.
    pub releases: u64,
    /// The counters of these releases.
    pub keys: CounterKeys,
    /// The last release that could not be read: some counters differ, and nobody knows which.
    pub unreadable: Option<String>,
    /// The last comparison that was announced. All replicas hear announcements in the same order,
    /// so they agree on which one was the last.
    pub look: Option<HeardLook>,
}

/// An announcement, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardLook {
    /// The announcement.
    pub look: Look,
    /// True if this session made it.
    pub own: bool,
}

impl Heard {
    /// Adds a message that reached the session with the process id `own`.
    pub(super) fn take(&mut self, message: &PgNotification, own: Option<i32>) {
        if message.channel() == RELEASES {
            self.release(message.payload());
        } else if let Ok(look) = serde_json::from_str(message.payload()) {
            let sender = i32::try_from(message.process_id()).ok();
            let own = own.is_some() && own == sender;
            self.look = Some(HeardLook { look, own });
        }
    }

    fn release(&mut self, message: &str) {
        self.releases += 1;
        let Ok(release) = serde_json::from_str::<Release>(message) else {
            self.unreadable = Some(message.to_owned());
            return;
        };
        let show: cue_domain::ShowId = release.show.into();
        let keys = &mut self.keys;
        keys.subscriptions
            .insert((show.clone(), release.alloc.into()));
        keys.layers.insert(release.layer.into());
        keys.jobs.insert(release.job.into());
        keys.folders.insert(release.folder.into());
        keys.points.insert((release.dept.into(), show));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_names_counters_and_its_amounts_do_not_matter() {
        let mut heard = Heard::default();
        for cores in [-1, -8] {
            heard.release(&format!(
                r#"{{"show":"S","alloc":"A","folder":"F","job":"J","layer":"L","dept":"D","cores":{cores},"gpus":0}}"#
            ));
        }
        assert_eq!((heard.releases, heard.keys.len()), (2, 5));
        assert!(heard.keys.points.contains(&("D".into(), "S".into())));
        assert_eq!(heard.unreadable, None);
    }

    #[test]
    fn a_release_that_cannot_be_read_is_kept() {
        for bad in [
            "",
            "{}",
            r#"{"show":null,"alloc":"A","folder":"F","job":"J","layer":"L","dept":"D"}"#,
        ] {
            let mut heard = Heard::default();
            heard.release(bad);
            assert_eq!(heard.unreadable.as_deref(), Some(bad));
            assert!(heard.keys.is_empty());
        }
    }
}
