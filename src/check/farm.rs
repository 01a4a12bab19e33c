//! The farm in the database: the fitness of its schema and of our rights, and the work and the hosts in it.

use std::collections::{BTreeMap, HashMap};

use cue_domain::demand::WaitingJob;
use cue_domain::{JobId, Unserved};
use cue_store::{DemandCursor, HostRows, NeededRight, ShowFacts, Store, StoreError, Unfit};

use super::contradictions::{contradictions, left_out, unreadable};
use super::finding::{Finding, fail, judged, ok, warn};
use super::names::some;
use crate::config::Settings;
use crate::config::wiring;

/// Schema and rights.
pub(super) async fn fitness(store: &Store, role: &str) -> Vec<Finding> {
    let mut found = judged(
        "statements",
        store.check_statements().await,
        |(all, unfit)| statements(all, &unfit),
    );
    found.extend(judged("schema", store.check_triggers().await, |missing| {
        missing.into_iter().map(|trigger| {
            fail(
                format!("trigger {trigger} is missing or switched off, so numbers of waiting frames stay as they are"),
                "create it with Cuebot's migrations, or switch it on",
            )
        })
    }));
    found.extend(judged("rights", store.check_rights().await, |needed| {
        rights(&needed, role)
    }));
    found
}

/// OpenCue's index on waiting frames, which no statement needs.
pub(super) async fn waiting_index(store: &Store) -> Vec<Finding> {
    judged("indexes", store.check_waiting_index().await, |exists| {
        let state = if exists {
            "exists"
        } else {
            "is missing, so layers of thousands of frames are locked slowly"
        };
        let says = format!("OpenCue's index on the waiting frames of a layer (V51) {state}");
        [ok(says)]
    })
}

fn statements(all: usize, unfit: &[Unfit]) -> Vec<Finding> {
    if unfit.is_empty() {
        let says = format!("all {all} statements fit the schema");
        return vec![ok(says)];
    }
    let finding = |unfit: &Unfit| {
        fail(
            format!(
                "{} does not fit the schema: {}",
                unfit.statement, unfit.message
            ),
            "the schema must be that of a Cuebot that knows show.b_scheduler_managed and layer.ts_start_after: bring it up to date, and let search_path find it",
        )
    };
    unfit.iter().map(finding).collect()
}

/// One finding for each table or sequence on which a right is missing.
fn rights(needed: &[NeededRight], role: &str) -> Vec<Finding> {
    let mut missing: BTreeMap<(bool, &str), Vec<&str>> = BTreeMap::new();
    for right in needed.iter().filter(|right| !right.held) {
        let relation = (right.is_sequence, right.relation.as_str());
        missing.entry(relation).or_default().push(&right.privilege);
    }
    if missing.is_empty() {
        let says = format!(
            "{role} has the {} rights that the statements and the installed triggers need",
            needed.len()
        );
        return vec![ok(says)];
    }
    let lacking = |((is_sequence, relation), rights): (&(bool, &str), &Vec<&str>)| {
        let rights = rights.join(", ");
        let kind = if *is_sequence { "SEQUENCE " } else { "" };
        fail(
            format!("{role} lacks {rights} on {relation}"),
            format!("GRANT {rights} ON {kind}{relation} TO {role};"),
        )
    };
    missing.iter().map(lacking).collect()
}

/// Findings about work to book, and hosts for it.
pub(super) async fn contents(store: &Store, settings: &Settings) -> Vec<Finding> {
    let facility = settings.feed.facility.as_deref();
    let stale_after = settings.matching.host_stale_after;
    let mut found = judged("facility", store.known_facilities().await, |known| {
        [facilities(facility, &known)]
    });
    let shows = store.check_shows().await;
    found.extend(judged("shows", shows, |shows| handed_over(&shows)));
    let open = store.host_snapshot(facility, stale_after).await;
    found.extend(judged("hosts", open, |open| hosts(&open)));
    let without_host = without_host(store, settings).await;
    found.extend(judged("unserved", without_host, |work| [unserved(&work)]));
    found.extend(contradictions(store).await);
    found.extend(unreadable(&store.unreadable()));
    found
}

/// Work that waits and that no host could serve.
async fn without_host(store: &Store, settings: &Settings) -> Result<Unserved, StoreError> {
    let facility = settings.feed.facility.as_deref();
    let cursor = DemandCursor::default();
    let (rows, _) = store.demand(facility, &cursor, true).await?;
    let carried = store.carried_tags().await?;
    let jobs: HashMap<&JobId, &WaitingJob> = rows.jobs.iter().map(|job| (&job.id, job)).collect();
    let layers = rows.layers.iter();
    let waiting = layers.filter_map(|layer| Some((*jobs.get(&layer.job)?, layer)));
    let ignored = wiring::ignored_tags(settings);
    Ok(cue_domain::unserved(
        waiting,
        &rows.subscriptions,
        &carried,
        &ignored,
    ))
}

fn unserved(work: &Unserved) -> Finding {
    if work.layers == 0 {
        let says = "for every layer that waits there is a host with its tags";
        return ok(says);
    }
    warn(
        format!(
            "{} waiting layers with {} frames have no host that could serve them, as {}",
            work.layers,
            work.frames,
            work.examples.join("; ")
        ),
        "give a host of the show's allocations one of the tags, or the show a subscription; cue-scheduler why names what is missing",
    )
}

fn hosts(open: &HostRows) -> Vec<Finding> {
    let count = match open.hosts.len() {
        0 => warn(
            "no host is up, open and heard of lately",
            "see that Cuebot receives host reports, and that CUE_HOST_STALE_AFTER is longer than the time between two",
        ),
        count => ok(format!("{count} are up, open and heard of lately")),
    };
    let left_out = left_out(&open.left_out);
    [Some(count), left_out].into_iter().flatten().collect()
}

fn facilities(wanted: Option<&str>, known: &[String]) -> Finding {
    let names = known.join(", ");
    match wanted {
        Some(wanted) if known.iter().any(|name| name == wanted) => ok(format!("{wanted} exists")),
        Some(wanted) => fail(
            format!("{wanted} does not exist"),
            format!("set CUE_FACILITY to one of {names}, or to none for all of them"),
        ),
        None => ok(format!("all of them: {names}")),
    }
}

fn handed_over(shows: &[ShowFacts]) -> Vec<Finding> {
    let all = shows.len();
    let managed = || shows.iter().filter(|show| show.managed);
    let named = |chosen: fn(&ShowFacts) -> bool| -> Vec<&str> {
        let chosen = managed().filter(|show| chosen(show));
        chosen.map(|show| show.name.as_str()).collect()
    };
    let ours = named(|_| true);
    if ours.is_empty() {
        return vec![warn(
            format!("none of {all} active shows is handed over, nothing will be booked"),
            "hand one over with: cueadmin -scheduler-managed SHOW ON",
        )];
    }
    let names = |shows: &[&str]| some(shows.iter().copied());
    let says = format!(
        "{} of {all} active shows are handed over: {}",
        ours.len(),
        names(&ours)
    );
    let mut found = vec![ok(says)];
    let frozen = named(|show| show.subscriptions == 0);
    if !frozen.is_empty() {
        let has = if frozen.len() == 1 {
            "one has"
        } else {
            "some have"
        };
        found.push(warn(format!(
                "{has} no subscription with a burst of a core or more, and nothing is booked for a show without one: {}",
                names(&frozen)
            ),
            "give it a subscription in an allocation",
        ));
    }
    let off = named(|show| !show.booking);
    if !off.is_empty() {
        found.push(warn(format!(
                "booking is switched off, which neither Cuebot nor the scheduler heeds, for {}",
                names(&off)
            ),
            "take the show back with cueadmin -scheduler-managed SHOW OFF, or set its subscriptions' burst to 0, if nothing must be booked",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    fn show(name: &str, managed: bool, subscriptions: i64) -> ShowFacts {
        ShowFacts {
            name: name.to_owned(),
            managed,
            booking: true,
            subscriptions,
        }
    }

    #[test]
    fn shows_that_would_get_nothing_are_named() {
        let verdicts = |shows: &[ShowFacts]| {
            let found = handed_over(shows);
            found
                .iter()
                .map(|finding| finding.verdict)
                .collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&[]), [Verdict::Warn]);
        assert_eq!(verdicts(&[show("a", false, 1)]), [Verdict::Warn]);
        assert_eq!(
            verdicts(&[show("a", true, 1), show("b", false, 0)]),
            [Verdict::Ok]
        );
        assert_eq!(
            verdicts(&[show("a", true, 0)]),
            [Verdict::Ok, Verdict::Warn]
        );
        let off = ShowFacts {
            booking: false,
            ..show("a", true, 1)
        };
        assert_eq!(verdicts(&[off]), [Verdict::Ok, Verdict::Warn]);
        let many: Vec<ShowFacts> = (0..7).map(|n| show(&format!("s{n}"), true, 1)).collect();
        assert!(
            handed_over(&many)[0]
                .says
                .ends_with("s0, s1, s2, s3, s4 and 2 more")
        );
    }

    #[test]
    fn a_facility_that_is_not_there_is_refused_with_those_that_are() {
        let known = ["east".to_owned(), "west".to_owned()];
        assert_eq!(facilities(None, &known).verdict, Verdict::Ok);
        assert_eq!(facilities(Some("west"), &known).verdict, Verdict::Ok);
        let finding = facilities(Some("north"), &known);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.advice.unwrap().contains("east, west"));
    }
}
