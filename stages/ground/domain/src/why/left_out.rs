//! What the scheduler that answers leaves alone, by its settings or for what it has seen.

use std::collections::HashMap;
use std::time::Duration;

use super::tests::{facts, here, host, tags};
use super::*;

#[test]
fn what_this_scheduler_leaves_out_is_told() {
    let rules = FitRules::default();
    let (facts, all) = (facts(), here(&rules));
    let told = |here: Here<'_>, hosts: &[Host]| why(&facts, hosts, &here).sentence;
    let facility = Some("South");
    assert_eq!(
        told(Here { facility, ..all }, &[host()]),
        "job shot is not for this scheduler: it serves facility South only, and the job is of North Yard."
    );
    let facility = Some("North Yard");
    let open = "job shot can run now on 1 host, and no frame of show alpha is ahead of it.";
    assert_eq!(told(Here { facility, ..all }, &[host()]), open);
    let ignored_tags = &*tags(&["other", "general"]);
    assert_eq!(
        told(
            Here {
                ignored_tags,
                ..all
            },
            &[host()]
        ),
        "job shot is not for this scheduler: it has been told to book nothing for the tag general."
    );
    let resting = HashMap::from([
        (HostId::from("h"), Duration::from_secs(90)),
        (HostId::from("i"), Duration::from_secs(40)),
    ]);
    let here = Here {
        resting_hosts: &resting,
        ..all
    };
    assert_eq!(
        told(here, &[host()]),
        "job shot waits because the only host with room failed to launch a frame and rests for another 1 min 30 s."
    );
    let named = |id: &str| Host {
        id: id.into(),
        ..host()
    };
    assert_eq!(
        told(here, &[named("h"), named("i")]),
        "job shot waits because all 2 hosts with room failed to launch frames and rest, the first of them for another 40 s."
    );
    assert_eq!(told(here, &[named("h"), named("j")]), open);
}

#[test]
fn a_tag_that_is_left_out_finds_no_hosts_and_is_not_named_as_missing() {
    let rules = FitRules::default();
    let mut facts = facts();
    facts.layers[0].layer.tags = tags(&["general", "moon"]);
    let here = Here {
        ignored_tags: &tags(&["general"]),
        ..here(&rules)
    };
    assert_eq!(
        why(&facts, &[host()], &here).sentence,
        "job shot cannot run because no host that is up and open has the tag moon."
    );
}
