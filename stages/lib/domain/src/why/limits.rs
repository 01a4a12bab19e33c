//! Limits, as predicates of sentences.

use super::facts::{LayerFacts, LimitFacts};
use crate::limits::LimitKind;
use crate::text::list;

/// Hosts that a sentence names, at most.
const NAMED: usize = 3;

/// Predicate of a layer whose limit is full, with the usage and the hosts that hold it.
pub(super) fn of_limit(facts: &LimitFacts) -> String {
    let (name, limit, reported) = (&facts.name, &facts.limit, facts.reported);
    let usage = limit.usage();
    let Some(cap) = limit.cap() else {
        return format!("cannot run because limit {name} has no maximum, which admits nothing");
    };
    let since = usage.saturating_sub(reported);
    match limit.kind() {
        LimitKind::Frames if reported == 0 => {
            format!("waits because limit {name} is reached: {usage} of {cap} are running")
        }
        LimitKind::Frames => format!(
            "waits because limit {name} is reached: {usage} of {cap} are in use, {reported} of them by the \
             licence report and {since} booked since"
        ),
        LimitKind::Hosts if facts.holders.is_empty() => {
            format!("waits because limit {name} is reached: {usage} of {cap} hosts hold it")
        }
        LimitKind::Hosts => format!(
            "waits because limit {name} is reached: {usage} of {cap} hosts hold it, and none of them has room: {}",
            list(&facts.holders, NAMED)
        ),
    }
}

/// Addition to a sentence: limits that are used up and yet hold nothing back, with the reason (OPENCUE.md, Limits).
pub(super) fn open_limits(layer: Option<&LayerFacts>) -> String {
    let limits = layer.map_or(&[][..], |layer| layer.limits.as_slice());
    let used_up = |facts: &&LimitFacts| {
        let limit = &facts.limit;
        !limit.gates() && limit.cap().is_none_or(|cap| limit.usage() >= cap)
    };
    let clause = |facts: &LimitFacts| {
        let reason = match facts.enforcement.as_str() {
            "ENFORCED" => "its licence report is too old".to_owned(),
            other => format!("it is {}", other.to_lowercase()),
        };
        let name = &facts.name;
        format!("; limit {name} is used up and holds nothing back, because {reason}")
    };
    limits.iter().filter(used_up).map(clause).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::HostId;
    use crate::limits::{HostUse, Limit, LimitRows, Settled};
    use crate::why::tests::{layer, limit};

    fn by_hosts(names: &[&str], cap: i64) -> LimitFacts {
        let host = |name: &&str| HostUse {
            host: HostId::from(*name),
            name: (*name).to_owned(),
            pending: 1,
        };
        LimitFacts {
            holders: names.iter().map(|name| (*name).to_owned()).collect(),
            limit: Limit::new(LimitRows {
                kind: LimitKind::Hosts,
                gates: true,
                max: Some(cap),
                soft: -1,
                hosts: names.iter().map(host).collect(),
                ..LimitRows::default()
            }),
            ..limit("nuke", 0, None)
        }
    }

    #[test]
    fn a_limit_by_hosts_names_who_holds_it() {
        let two = of_limit(&by_hosts(&["n1", "n2"], 2));
        assert_eq!(
            two,
            "waits because limit nuke is reached: 2 of 2 hosts hold it, and none of them has room: n1, n2"
        );
        assert!(of_limit(&by_hosts(&["a", "b", "c", "d", "e"], 1)).ends_with("a, b, c and 2 more"));
        let none = of_limit(&by_hosts(&[], 0));
        assert_eq!(
            none,
            "waits because limit nuke is reached: 0 of 0 hosts hold it"
        );
    }

    #[test]
    fn usage_is_what_a_report_settled_and_what_was_booked_since() {
        let reported = LimitFacts {
            reported: 5,
            limit: Limit::new(LimitRows {
                gates: true,
                max: Some(8),
                settled: Settled {
                    frames: 5,
                    ..Settled::default()
                },
                pending: 3,
                ..LimitRows::default()
            }),
            ..limit("arnold", 0, None)
        };
        assert_eq!(
            of_limit(&reported),
            "waits because limit arnold is reached: 8 of 8 are in use, 5 of them by the licence report and 3 \
             booked since"
        );
    }

    #[test]
    fn a_limit_that_is_used_up_and_holds_nothing_back_says_why() {
        let open = |enforcement: &str, used: i64| {
            let rows = LimitRows {
                max: Some(1),
                pending: used,
                ..LimitRows::default()
            };
            let mut layer = layer("any");
            layer.limits = vec![LimitFacts {
                enforcement: enforcement.to_owned(),
                limit: Limit::new(rows),
                ..limit("arnold", 0, None)
            }];
            open_limits(Some(&layer))
        };
        let used_up = "; limit arnold is used up and holds nothing back, because";
        assert_eq!(open("ADVISORY", 1), format!("{used_up} it is advisory"));
        assert_eq!(
            open("ENFORCED", 2),
            format!("{used_up} its licence report is too old")
        );
        assert_eq!(open("DISABLED", 0), "", "it has room");
    }
}
