//! The farm in the database: whether its schema and our rights fit, and whether there is anything to book.

use std::collections::BTreeMap;

use cue_store::{NeededRight, OpenHosts, ShowFacts, Store};

use super::Finding;
use super::contradictions::{contradictions, left_out};
use super::names::some;
use crate::config::Settings;

/// Schema and rights.
pub(super) async fn fitness(store: &Store, role: &str) -> Vec<Finding> {
    let mut found = statements(store).await;
    match store.check_triggers().await {
        Ok(missing) => found.extend(missing.iter().map(|trigger| {
            Finding::fail(
                "schema",
                format!("trigger {trigger} is missing or switched off, so numbers of waiting frames stay as they are"),
                "create it with Cuebot's migrations, or switch it on",
            )
        })),
        Err(error) => found.push(Finding::unanswered("schema", &error)),
    }
    match store.check_rights().await {
        Ok(needed) => found.extend(rights(&needed, role)),
        Err(error) => found.push(Finding::unanswered("rights", &error)),
    }
    found
}

async fn statements(store: &Store) -> Vec<Finding> {
    match store.check_statements().await {
        Ok((all, unfit)) if unfit.is_empty() => vec![Finding::ok(
            "statements",
            format!("all {all} statements fit the schema"),
        )],
        Ok((_, unfit)) => unfit
            .iter()
            .map(|unfit| {
                Finding::fail(
                    "statements",
                    format!("{} does not fit the schema: {}", unfit.statement, unfit.message),
                    "the schema must be that of a Cuebot that knows show.b_scheduler_managed and layer.ts_start_after: bring it up to date, and let search_path find it",
                )
            })
            .collect(),
        Err(error) => vec![Finding::unanswered("statements", &error)],
    }
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
        return vec![Finding::ok("rights", says)];
    }
    let lacking = |((is_sequence, relation), rights): (&(bool, &str), &Vec<&str>)| {
        let rights = rights.join(", ");
        let kind = if *is_sequence { "SEQUENCE " } else { "" };
        Finding::fail(
            "rights",
            format!("{role} lacks {rights} on {relation}"),
            format!("GRANT {rights} ON {kind}{relation} TO {role};"),
        )
    };
    missing.iter().map(lacking).collect()
}

/// Findings about what there is to book, and where.
pub(super) async fn contents(store: &Store, settings: &Settings) -> Vec<Finding> {
    let facility = settings.feed.facility.as_deref();
    let mut found = vec![match store.known_facilities().await {
        Ok(known) => facilities(facility, &known),
        Err(error) => Finding::unanswered("facility", &error),
    }];
    match store.check_shows().await {
        Ok(shows) => found.extend(handed_over(&shows)),
        Err(error) => found.push(Finding::unanswered("shows", &error)),
    }
    let stale_after = settings.matching.host_stale_after;
    found.extend(match store.host_snapshot(facility, stale_after).await {
        Ok(open) => hosts(&open),
        Err(error) => vec![Finding::unanswered("hosts", &error)],
    });
    found.extend(contradictions(store).await);
    found
}

fn hosts(open: &OpenHosts) -> Vec<Finding> {
    let mut found = vec![match open.hosts.len() {
        0 => Finding::warn(
            "hosts",
            "no host is up, open and heard of lately",
            "see that Cuebot receives host reports, and that CUE_HOST_STALE_AFTER is longer than the time between two",
        ),
        count => Finding::ok("hosts", format!("{count} are up, open and heard of lately")),
    }];
    found.extend(left_out(&open.left_out));
    found
}

fn facilities(wanted: Option<&str>, known: &[String]) -> Finding {
    let names = known.join(", ");
    match wanted {
        Some(wanted) if known.iter().any(|name| name == wanted) => {
            Finding::ok("facility", format!("{wanted} exists"))
        }
        Some(wanted) => Finding::fail(
            "facility",
            format!("{wanted} does not exist"),
            format!("set CUE_FACILITY to one of {names}, or to none for all of them"),
        ),
        None => Finding::ok("facility", format!("all of them: {names}")),
    }
}

fn handed_over(shows: &[ShowFacts]) -> Vec<Finding> {
    let managed: Vec<&ShowFacts> = shows.iter().filter(|show| show.managed).collect();
    if managed.is_empty() {
        return vec![Finding::warn(
            "shows",
            format!(
                "none of {} active shows is handed over, nothing will be booked",
                shows.len()
            ),
            "hand one over with: cueadmin -scheduler-managed SHOW ON",
        )];
    }
    let mut found = vec![Finding::ok(
        "shows",
        format!(
            "{} of {} active shows are handed over: {}",
            managed.len(),
            shows.len(),
            some(managed.iter().map(|show| show.name.as_str()))
        ),
    )];
    let frozen: Vec<&str> = managed
        .iter()
        .filter(|show| show.subscriptions == 0)
        .map(|show| show.name.as_str())
        .collect();
    if !frozen.is_empty() {
        found.push(Finding::warn(
            "shows",
            format!(
                "{} no subscription with a burst of a core or more, and nothing is booked for a show without one: {}",
                if frozen.len() == 1 { "one has" } else { "some have" },
                some(frozen.iter().copied())
            ),
            "give it a subscription in an allocation",
        ));
    }
    let off: Vec<&str> = managed
        .iter()
        .filter(|show| !show.booking)
        .map(|show| show.name.as_str())
        .collect();
    if !off.is_empty() {
        found.push(Finding::warn(
            "shows",
            format!(
                "booking is switched off, which neither Cuebot nor the scheduler heeds, for {}",
                some(off.iter().copied())
            ),
            "take the show back with cueadmin -scheduler-managed SHOW OFF, or set its subscriptions' burst to 0, if nothing is to be booked",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn show(name: &str, managed: bool, subscriptions: i64) -> ShowFacts {
        ShowFacts {
            name: name.to_owned(),
            managed,
            booking: true,
            subscriptions,
        }
    }

    #[test]
    fn shows_that_would_get_nothing_are_told() {
        let told = |shows: &[ShowFacts]| {
            let found = handed_over(shows);
            found
                .iter()
                .map(|finding| finding.verdict)
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), [Verdict::Warn]);
        assert_eq!(told(&[show("a", false, 1)]), [Verdict::Warn]);
        assert_eq!(
            told(&[show("a", true, 1), show("b", false, 0)]),
            [Verdict::Ok]
        );
        assert_eq!(told(&[show("a", true, 0)]), [Verdict::Ok, Verdict::Warn]);
        let off = ShowFacts {
            booking: false,
            ..show("a", true, 1)
        };
        assert_eq!(told(&[off]), [Verdict::Ok, Verdict::Warn]);
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
