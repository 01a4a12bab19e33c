//! Agreement of the replicas on the times that decide when a booking counts as forgotten.

use std::time::Duration;

use cue_store::{ReplicaRow, Timings};

/// Another replica has other times, and each would take back what the other is about to launch.
#[derive(Debug, thiserror::Error)]
#[error(
    "replica {replica} has {setting} = {theirs:?}, this one has {ours:?}; give all replicas the same, or stop the other one first"
)]
pub struct OtherTimings {
    /// The other replica.
    pub replica: String,
    /// The key of the setting.
    pub setting: &'static str,
    /// Our value.
    pub ours: Duration,
    /// The other's value.
    pub theirs: Duration,
}

/// Fails if a connected replica has other times.
pub(crate) fn agree(replicas: &[ReplicaRow], ours: &Timings) -> Result<(), OtherTimings> {
    let differs = |replica: &ReplicaRow| {
        let (setting, ours, theirs) = ours.difference(&replica.timings?)?;
        Some(OtherTimings {
            replica: replica.name.clone(),
            setting,
            ours,
            theirs,
        })
    };
    replicas.iter().find_map(differs).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_with_other_times_is_named_with_the_setting_and_both_values() {
        let ours = Timings {
            launch_deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
        };
        let row = |name: &str, timings| ReplicaRow {
            name: name.to_owned(),
            connections: 1,
            this: false,
            timings,
        };
        let same = [row("a", Some(ours)), row("older", None)];
        assert!(agree(&same, &ours).is_ok());
        let other = Timings {
            request_timeout: Duration::from_secs(30),
            ..ours
        };
        let error = agree(&[row("a", Some(ours)), row("b", Some(other))], &ours).unwrap_err();
        assert_eq!(
            error.to_string(),
            "replica b has rqd.request_timeout = 30s, this one has 10s; give all replicas the same, or stop the other one first"
        );
    }
}
