//! A limit against a naive model that keeps no counters: for each question it writes the contract's
//! sentences (14.2) down again from the rows and the frames admitted so far.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// One proc of a bound layer.
#[derive(Clone, Debug)]
struct Proc {
    host: usize,
    pending: bool,
}

#[derive(Clone, Debug)]
struct Case {
    kind: LimitKind,
    gates: bool,
    max: Option<i64>,
    soft: i64,
    settled: (i64, i64),
    /// Hosts in `limit_host`, by number; those from 4 on are workstations without a row in `host`.
    reported: Vec<usize>,
    procs: Vec<Proc>,
}

fn host(n: usize) -> HostId {
    HostId::from(format!("id-{n}"))
}

/// Full names in the case that hosts use; reports have `node1`.
fn name(n: usize) -> String {
    format!("Node{n}.farm.example")
}

impl Case {
    fn limit(&self) -> Limit {
        let pending = self.procs.iter().filter(|proc| proc.pending).count();
        let hosts = (0..4).filter_map(|n| {
            let here: Vec<_> = self.procs.iter().filter(|proc| proc.host == n).collect();
            (!here.is_empty()).then(|| HostUse {
                host: host(n),
                name: name(n),
                pending: here.iter().filter(|proc| proc.pending).count() as i64,
            })
        });
        Limit::new(LimitRows {
            kind: self.kind,
            gates: self.gates,
            max: self.max,
            soft: self.soft,
            settled: Settled {
                frames: self.settled.0,
                hosts: self.settled.1,
                holders: self.reported.iter().map(|n| format!("node{n}")).collect(),
            },
            pending: pending as i64,
            hosts: if self.kind == LimitKind::Hosts {
                hosts.collect()
            } else {
                Vec::new()
            },
        })
    }

    fn usage(&self) -> i64 {
        let pending = self.procs.iter().filter(|proc| proc.pending);
        match self.kind {
            LimitKind::Frames => self.settled.0 + pending.count() as i64,
            LimitKind::Hosts => {
                let hosts: HashSet<usize> = pending.map(|proc| proc.host).collect();
                let more = hosts.iter().filter(|n| !self.reported.contains(n));
                self.settled.1 + more.count() as i64
            }
        }
    }

    fn is_blocked(&self, on: usize) -> bool {
        if !self.gates {
            return false;
        }
        let reaches = |cap: Option<i64>| cap.is_none_or(|cap| self.usage() >= cap);
        match self.kind {
            LimitKind::Frames => reaches(self.max),
            LimitKind::Hosts => {
                let full = reaches(if self.soft >= 0 {
                    Some(self.soft)
                } else {
                    self.max
                });
                let holds =
                    self.reported.contains(&on) || self.procs.iter().any(|proc| proc.host == on);
                full && !holds
            }
        }
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let proc = (0..4usize, any::<bool>()).prop_map(|(host, pending)| Proc { host, pending });
    (
        prop_oneof![Just(LimitKind::Frames), Just(LimitKind::Hosts)],
        prop::bool::weighted(0.8),
        prop::option::weighted(0.9, 0..7i64),
        -1..5i64,
        (0..4i64, 0..4i64),
        prop::collection::vec(0..6usize, 0..4),
        prop::collection::vec(proc, 0..6),
    )
        .prop_map(|(kind, gates, max, soft, settled, reported, procs)| Case {
            kind,
            gates,
            max,
            soft,
            settled,
            reported,
            procs,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_limit_admits_frame_by_frame_what_the_contract_says(
        mut case in any_case(), asked in prop::collection::vec(0..4usize, 0..20),
    ) {
        let mut limit = case.limit();
        for on in asked {
            prop_assert_eq!(limit.usage(), case.usage());
            let admitted = limit.admits(&host(on), &name(on));
            prop_assert_eq!(admitted, !case.is_blocked(on), "host {}: {:?}", on, case);
            let most = limit.most_frames();
            prop_assert!(!admitted || most != Some(0), "planning must not leave out what is admitted");
            prop_assert!(
                case.kind == LimitKind::Hosts || most.is_none_or(|most| admitted == (most > 0))
            );
            if admitted {
                limit.take(&host(on), &name(on));
                case.procs.push(Proc { host: on, pending: true });
            }
        }
    }
}

#[test]
fn frames_of_one_batch_share_a_seat_on_their_host() {
    let mut limit = Limit::new(LimitRows {
        kind: LimitKind::Hosts,
        gates: true,
        max: Some(1),
        soft: -1,
        ..LimitRows::default()
    });
    let admitted: Vec<bool> = [0, 0, 1, 0]
        .into_iter()
        .map(|n| {
            let admits = limit.admits(&host(n), &name(n));
            if admits {
                limit.take(&host(n), &name(n));
            }
            admits
        })
        .collect();
    assert_eq!(admitted, [true, true, false, true]);
    assert_eq!((limit.usage(), limit.cap()), (1, Some(1)));
}

#[test]
fn names_are_compared_short_and_in_lower_case_and_addresses_whole() {
    for (name, short) in [
        ("node7", "node7"),
        ("Node7.farm.example", "node7"),
        ("NODE7", "node7"),
        ("10.0.0.7", "10.0.0.7"),
        ("fe80::1", "fe80::1"),
        ("", ""),
    ] {
        assert_eq!(short_name(name), short);
    }
}
