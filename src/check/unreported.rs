//! Procs that hold cores and that no host reports.

use cue_store::{Store, UnreportedProcs};

use super::finding::{Finding, judged, ok, warn};
use super::names::{NAMES, listed};
use crate::words::{UNREPORTED_END, cores, unreported};

/// Looks for procs that no host reports.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    judged("procs", store.unreported_procs(NAMES).await, |found| {
        [judge(&found)]
    })
}

fn judge(found: &UnreportedProcs) -> Finding {
    if found.procs == 0 {
        return ok("every host that sends reports names the procs it has");
    }
    let hosts = listed(found.first_hosts.iter(), ", ", found.hosts);
    warn(
        format!(
            "{}, with {} cores on {hosts}",
            unreported(found.procs),
            cores(found.cores.0)
        ),
        format!(
            "{UNREPORTED_END}; if they stay, see that Cuebot runs, and \"Lost frames\" in config/guides/beside-cuebot.md"
        ),
    )
}

#[cfg(test)]
mod tests {
    use cue_domain::Centicores;

    use super::*;
    use crate::check::Verdict;

    #[test]
    fn procs_in_no_report_are_counted_and_some_of_their_hosts_named() {
        assert_eq!(judge(&UnreportedProcs::default()).verdict, Verdict::Ok);
        let found = UnreportedProcs {
            first_hosts: vec!["a".to_owned(), "b".to_owned()],
            hosts: 7,
            procs: 1_200,
            cores: Centicores::cores(4_800),
        };
        let finding = judge(&found);
        assert_eq!(finding.verdict, Verdict::Warn);
        let wanted = "1,200 procs in no report for 90 s, with 4,800 cores on a, b and 5 more";
        assert_eq!(finding.says, wanted);
    }
}
