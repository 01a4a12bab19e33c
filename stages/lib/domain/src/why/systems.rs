//! Operating systems: the one that a job asks for, and those of the hosts.
//!
//! Invariant: both are spelled as their owners wrote them, because the comparison is exact: a job that asks for
//! `Linux` does not run on a host that reports `debian`, as the Rust RQD does.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::host::Host;
use crate::text::list;

/// Operating systems that an answer names at most.
const NAMED: usize = 4;

/// Operating systems that hosts offer, the most common one first.
pub(super) fn offered(hosts: &[&Host]) -> Vec<Arc<str>> {
    let mut counts: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
    for os in hosts.iter().flat_map(|host| host.os.iter()) {
        *counts.entry(os).or_default() += 1;
    }
    let mut offered: Vec<(&Arc<str>, usize)> = counts.into_iter().collect();
    offered.sort_by_key(|(_, hosts)| Reverse(*hosts));
    offered.into_iter().map(|(os, _)| Arc::clone(os)).collect()
}

/// Predicate of a layer whose hosts have other operating systems only.
pub(super) fn no_os(wanted: Option<&str>, hosts: usize, offered: &[Arc<str>]) -> String {
    let wanted = wanted.unwrap_or("another");
    let have = match offered {
        [] => "none".to_owned(),
        offered => list(offered, NAMED),
    };
    let hosts = match hosts {
        1 => format!("the only host with its tags has {have}"),
        hosts => format!("no host with its tags has this OS; the {hosts} hosts have {have}"),
    };
    format!("cannot run because its job asks for the OS {wanted}, and {hosts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_of_the_hosts_are_named_up_to_four() {
        let predicate = |hosts, offered: &[&str]| {
            let offered: Vec<Arc<str>> = offered.iter().map(|&os| Arc::from(os)).collect();
            no_os(Some("Linux"), hosts, &offered)
        };
        assert_eq!(
            predicate(3, &["debian", "linux"]),
            "cannot run because its job asks for the OS Linux, and no host with its tags has this OS; the 3 hosts \
             have debian, linux"
        );
        assert!(
            predicate(9, &["a", "b", "c", "d", "e", "f"]).ends_with("have a, b, c, d and 2 more")
        );
        assert!(predicate(1, &[]).ends_with("the only host with its tags has none"));
    }
}
