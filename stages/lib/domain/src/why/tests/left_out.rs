//! Work that the scheduler that answers leaves out, by its settings or because hosts back off.

use super::*;

#[test]
fn the_settings_and_the_backoffs_of_this_scheduler_are_reasons() {
    let rules = FitRules::default();
    let (facts, all) = (facts(), scheduler(&rules));
    let sentence_of =
        |scheduler: Scheduler<'_>, hosts: &[Host]| why(&facts, hosts, &scheduler).sentence;
    let facility = Some("South");
    assert_eq!(
        sentence_of(Scheduler { facility, ..all }, &[host()]),
        "job shot is not for this scheduler: it serves facility South only, and the job is of North Yard."
    );
    let facility = Some("North Yard");
    let open = "job shot can run now on 1 host, and no frame of show alpha is ahead of it.";
    assert_eq!(sentence_of(Scheduler { facility, ..all }, &[host()]), open);
    let ignored_tags = &*tags(&["other", "general"]);
    assert_eq!(
        sentence_of(
            Scheduler {
                ignored_tags,
                ..all
            },
            &[host()]
        ),
        "job shot is not for this scheduler: its settings leave out the tag general."
    );
    let backoffs = HashMap::from([
        (HostId::from("h"), Duration::from_secs(90)),
        (HostId::from("i"), Duration::from_secs(40)),
    ]);
    let scheduler = Scheduler {
        host_backoffs: &backoffs,
        ..all
    };
    assert_eq!(
        sentence_of(scheduler, &[host()]),
        "job shot waits because the only host with room failed to launch a frame and backs off for another 1 min 30 s."
    );
    let named = |id: &str| Host {
        id: id.into(),
        ..host()
    };
    assert_eq!(
        sentence_of(scheduler, &[named("h"), named("i")]),
        "job shot waits because all 2 hosts with room failed to launch frames and back off, the first of them for another 40 s."
    );
    assert_eq!(sentence_of(scheduler, &[named("h"), named("j")]), open);
}

#[test]
fn a_tag_that_is_left_out_finds_no_hosts_and_is_not_named_as_missing() {
    let rules = FitRules::default();
    let mut facts = facts();
    facts.layers[0].layer.tags = tags(&["general", "moon"]);
    let scheduler = Scheduler {
        ignored_tags: &tags(&["general"]),
        ..scheduler(&rules)
    };
    assert_eq!(
        why(&facts, &[host()], &scheduler).sentence,
        "job shot cannot run because no host that is up and open has the tag moon."
    );
}
