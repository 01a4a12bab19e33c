//! Comparison of the launches that hosts were asked for with the runs in the database.
//!
//! Invariant: pure, but for the list of succeeded frames that it is given.

use std::collections::HashMap;

use super::finding::{Audit, findings};
use crate::rqd::{LaunchRecord, SimRqd};

/// Findings shown of one invariant.
const SHOWN: usize = 5;

/// Everything that simulated hosts were asked to run.
#[derive(Clone, Debug, Default)]
pub struct LaunchLog {
    /// The launches, in the order in which they were accepted.
    pub launches: Vec<LaunchRecord>,
    /// Number of launches of a frame that ran on another host at that moment.
    pub doubles: usize,
}

impl LaunchLog {
    /// Launches that the hosts have been asked for so far.
    #[must_use]
    pub fn of(hosts: &SimRqd) -> Self {
        Self {
            doubles: hosts.double_launches(),
            launches: hosts.launches(),
        }
    }
}

/// Looks at the launches; with the succeeded frames, also that each of them was launched once.
pub(super) fn check(log: &LaunchLog, succeeded: Option<&[String]>, audit: &mut Audit) {
    report(audit, "no_frame_is_launched_while_it_runs", doubles(log));
    report(
        audit,
        "no_resource_is_launched_twice",
        repeated_resources(log),
    );
    if let Some(succeeded) = succeeded {
        report(
            audit,
            "succeeded_frame_was_launched_once",
            not_once(log, succeeded),
        );
    }
}

fn report(audit: &mut Audit, invariant: &'static str, details: Vec<String>) {
    let all = details.len();
    let shown = all.min(SHOWN);
    audit.findings.extend(findings(
        invariant,
        details.into_iter().take(shown),
        shown,
        all,
    ));
    audit.checked += 1;
}

fn doubles(log: &LaunchLog) -> Vec<String> {
    match log.doubles {
        0 => Vec::new(),
        n => vec![format!(
            "{n} of {} launches were of a frame that ran on another host",
            log.launches.len()
        )],
    }
}

fn repeated_resources(log: &LaunchLog) -> Vec<String> {
    let mut first = HashMap::new();
    let mut details = Vec::new();
    for launch in &log.launches {
        if let Some(before) = first.insert(&launch.resource_id, launch) {
            details.push(format!(
                "proc {} was launched with frame {} on {} and again with frame {} on {}",
                launch.resource_id, before.frame_id, before.host, launch.frame_id, launch.host
            ));
        }
    }
    details
}

fn not_once(log: &LaunchLog, succeeded: &[String]) -> Vec<String> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for launch in &log.launches {
        *times.entry(&launch.frame_id).or_default() += 1;
    }
    let launched = |frame: &String| times.get(frame.as_str()).copied().unwrap_or(0);
    let wrong = succeeded.iter().filter(|frame| launched(frame) != 1);
    wrong
        .map(|frame| {
            format!(
                "frame {frame} succeeded and was launched {} times",
                launched(frame)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn launch(host: &str, frame: &str, resource: &str) -> LaunchRecord {
        LaunchRecord {
            host: host.into(),
            frame_id: frame.into(),
            resource_id: resource.into(),
            num_cores: 100,
            at: Instant::now(),
            traceparent: None,
            run_frame: None,
        }
    }

    fn names(audit: &Audit) -> Vec<&str> {
        audit
            .findings
            .iter()
            .map(|finding| finding.invariant)
            .collect()
    }

    #[test]
    fn launches_in_order_are_no_finding() {
        let log = LaunchLog {
            launches: vec![launch("h1", "f1", "p1"), launch("h1", "f2", "p2")],
            doubles: 0,
        };
        let mut audit = Audit::default();
        check(&log, Some(&["f1".to_owned(), "f2".to_owned()]), &mut audit);
        assert!(audit.is_ok(), "{audit}");
        assert_eq!(audit.checked, 3);
    }

    #[test]
    fn a_launch_of_a_running_frame_is_found() {
        let log = LaunchLog {
            launches: Vec::new(),
            doubles: 1,
        };
        let mut audit = Audit::default();
        check(&log, None, &mut audit);
        assert_eq!(names(&audit), ["no_frame_is_launched_while_it_runs"]);
    }

    #[test]
    fn a_resource_launched_twice_is_found() {
        let log = LaunchLog {
            launches: vec![launch("h1", "f1", "p1"), launch("h2", "f1", "p1")],
            doubles: 0,
        };
        let mut audit = Audit::default();
        check(&log, None, &mut audit);
        assert_eq!(names(&audit), ["no_resource_is_launched_twice"]);
    }

    #[test]
    fn a_frame_that_succeeded_unlaunched_or_after_two_launches_is_found() {
        let log = LaunchLog {
            launches: vec![launch("h1", "f1", "p1"), launch("h1", "f1", "p2")],
            doubles: 0,
        };
        let mut audit = Audit::default();
        check(&log, Some(&["f1".to_owned(), "f2".to_owned()]), &mut audit);
        assert_eq!(names(&audit), ["succeeded_frame_was_launched_once"; 2]);
        assert!(
            audit.findings[1]
                .detail
                .contains("f2 succeeded and was launched 0 times")
        );
    }
}
