//! OpenCue's own programs: the version of their schema, the planner that may be on, and rows that they read
//! in another way.
//!
//! Invariant: each finding names what to change, with the word that one would search for.

use cue_loops::{MAESTRO_REMEDY, maestro_conflict};
use cue_store::{MaestroLeader, SchemaFacts, SharedAllocation, Store, StrangeRows};

use super::finding::{Finding, fail, judged, ok, warn};
use super::names::{NAMES, listed, some};

/// Migrations between which the statements are tested, both included.
const TESTED: std::ops::RangeInclusive<i32> = 47..=51;

/// The page with everything about these programs.
const GUIDE: &str = "config/guides/beside-cuebot.md";

/// Looks at OpenCue's own programs and at what they share with this one.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    let mut found = judged("schema", store.check_schema().await, |facts| schema(&facts));
    let connected = store.connected().await;
    found.extend(judged("maestro", connected, |connected| {
        [maestro(connected.maestro.as_ref())]
    }));
    let allocations = store.check_shared().await;
    found.extend(judged("shared", allocations, |rows| shared(&rows)));
    let rows = store.check_meaning(NAMES as i64).await;
    found.extend(judged("meaning", rows, |rows| meaning(&rows)));
    found
}

fn schema(facts: &SchemaFacts) -> Vec<Finding> {
    let major = |version: &str| version.split('.').next()?.parse::<i32>().ok();
    let written = facts.migration.as_deref();
    let version = written.and_then(major).or(facts.by_objects);
    let source = match (written, facts.by_objects) {
        (Some(version), _) => format!("OpenCue's migration V{version}, by flyway_schema_history"),
        (None, Some(version)) => {
            format!("OpenCue's migration V{version}, by its tables and columns")
        }
        (None, None) => "older than OpenCue's migration V45".to_owned(),
    };
    let mut found = vec![match version {
        Some(version) if TESTED.contains(&version) => ok(source),
        Some(version) if version > *TESTED.end() => warn(
            format!(
                "{source}, newer than V{}, the newest that is tested",
                TESTED.end()
            ),
            format!("try a copy of the database first; {GUIDE} lists what is tested"),
        ),
        _ => fail(
            format!("{source}, and the scheduler needs V{}", TESTED.start()),
            "move to a Cuebot of 2026-07 or newer, which brings the schema up to date",
        ),
    }];
    if facts.slots {
        found.push(warn(
            "layers can ask for slots of a host (layer.int_slots_required), which the scheduler does not count",
            "leave slots unused for shows that are handed over",
        ));
    }
    found
}

fn maestro(leader: Option<&MaestroLeader>) -> Finding {
    match leader {
        None => ok("no Cuebot plans with it: it has no leader"),
        Some(leader) => {
            let says = maestro_conflict(leader);
            let says = says.trim_end_matches(MAESTRO_REMEDY).trim_end_matches(": ");
            fail(says, MAESTRO_REMEDY)
        }
    }
}

fn shared(allocations: &[SharedAllocation]) -> Option<Finding> {
    let first = allocations.first()?;
    let more = match allocations.len() - 1 {
        0 => String::new(),
        more => format!(" ({more} more)"),
    };
    Some(warn(
        format!(
            "allocation {}{more} has shows of both kinds, handed over ({}) and booked by Cuebot ({}): Cuebot keeps \
             freed cores for its own shows, so those handed over lose ground there",
            first.name,
            some(first.ours.iter().map(String::as_str)),
            some(first.theirs.iter().map(String::as_str)),
        ),
        format!(
            "give them allocations of their own, or lower the bursts of Cuebot's, or hand all shows over; see {GUIDE}"
        ),
    ))
}

/// Kinds of rows that mean something else to Cuebot: the statement's word, the sentence, and the advice.
#[rustfmt::skip]
const MEANINGS: &[(&str, &str, &str)] = &[
    ("auto_book", "Cuebot would start nothing of jobs with b_auto_book off, and the scheduler books them",
        "pause the jobs that must not run"),
    ("booking_off", "b_booking_enabled is off, which neither Cuebot nor the scheduler looks at, for shows",
        "pause their jobs, or set the bursts of their subscriptions to 0"),
    ("untagged", "layers without tags run on any host for Cuebot, and on none for the scheduler",
        "give them a tag that hosts have"),
    ("pattern", "Cuebot reads these tags of layers as regular expressions, and the scheduler as they are written",
        "write whole tags, with | between them"),
    ("white_space", "tags of layers hold tabs or line breaks, which are a part of the tag (shown as ?)",
        "write | and spaces between tags, and nothing else"),
    ("case", "hosts have these tags of layers in other letters, which is the same to Cuebot and not to the scheduler",
        "write the tags as the hosts have them"),
];

fn meaning(rows: &[StrangeRows]) -> Vec<Finding> {
    let of = |kind: &str| rows.iter().find(|rows| rows.kind == kind).map(names);
    let strange = MEANINGS
        .iter()
        .filter_map(|&(kind, says, advice)| Some(warn(format!("{says}: {}", of(kind)?), advice)));
    let mut found: Vec<Finding> = strange.collect();
    if let Some(wanted) = of("os") {
        let offered = of("offered_os").unwrap_or_else(|| "none".to_owned());
        found.push(warn(
            format!(
                "jobs ask for an OS that no host of their facility has: {wanted}; hosts have {offered}"
            ),
            "set the OS of RQD (override_real_values.os) or of the jobs, letter by letter",
        ));
    }
    found
}

/// The names of the first rows, and the number of the others.
fn names(rows: &StrangeRows) -> String {
    let all = usize::try_from(rows.count).unwrap_or(0);
    listed(rows.names.iter(), ", ", all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn the_version_of_the_schema_is_what_flyway_wrote_or_else_what_is_there() {
        let judged = |migration: Option<&str>, by_objects| {
            let facts = SchemaFacts {
                migration: migration.map(str::to_owned),
                by_objects,
                slots: false,
            };
            let mut found = schema(&facts);
            assert_eq!(found.len(), 1);
            let finding = found.remove(0);
            (finding.verdict, finding.says)
        };
        let (verdict, says) = judged(Some("49"), Some(51));
        assert_eq!(
            (verdict, says.contains("V49, by flyway")),
            (Verdict::Ok, true),
            "{says}"
        );
        let (verdict, says) = judged(None, Some(51));
        assert_eq!(
            (verdict, says.contains("V51, by its")),
            (Verdict::Ok, true),
            "{says}"
        );
        assert_eq!(judged(Some("52.1"), Some(51)).0, Verdict::Warn);
        assert_eq!(judged(Some("46"), Some(45)).0, Verdict::Fail);
        assert_eq!(judged(None, None).0, Verdict::Fail);
    }

    #[test]
    fn slots_are_warned_about() {
        let facts = SchemaFacts {
            migration: None,
            by_objects: Some(51),
            slots: true,
        };
        assert_eq!(schema(&facts)[1].verdict, Verdict::Warn);
    }

    #[test]
    fn a_leader_of_maestro_fails_the_check_and_names_the_setting_once() {
        assert_eq!(maestro(None).verdict, Verdict::Ok);
        let address = "10.1.2.3".parse().ok();
        let finding = maestro(Some(&MaestroLeader { pid: 71, address }));
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(
            finding
                .says
                .ends_with("(session 71 from 10.1.2.3) and plans the managed shows too"),
            "{}",
            finding.says
        );
        assert!(
            finding
                .advice
                .unwrap()
                .starts_with("set maestro.enabled=no")
        );
    }

    #[test]
    fn what_is_shared_or_means_something_else_is_named() {
        assert_eq!(shared(&[]), None);
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let allocation = SharedAllocation {
            name: "yard.general".to_owned(),
            ours: names(&["alpha"]),
            theirs: names(&["beta"]),
        };
        let finding = shared(&[allocation.clone(), allocation]).unwrap();
        assert!(finding.says.starts_with("allocation yard.general (1 more) has shows of both kinds, handed over (alpha) and booked by Cuebot (beta)"), "{}", finding.says);

        let row = |kind: &str, count, shown: &[&str]| StrangeRows {
            kind: kind.to_owned(),
            count,
            names: names(shown),
        };
        assert_eq!(meaning(&[row("offered_os", 1, &["debian"])]), []);
        let found = meaning(&[
            row("auto_book", 7, &["a", "b"]),
            row("os", 1, &["Linux"]),
            row("offered_os", 1, &["debian"]),
        ]);
        assert!(
            found[0].says.ends_with("a, b and 5 more"),
            "{}",
            found[0].says
        );
        assert!(
            found[1].says.ends_with("Linux; hosts have debian"),
            "{}",
            found[1].says
        );
    }
}
