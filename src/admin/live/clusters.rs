//! Which clusters are shown: those with something going on, and apart from them those that sleep.
//!
//! A farm has many more clusters than have work, and a cluster with little work sleeps between two
//! short turns; so one that has just had a turn stays among those that are awake for a while.
//! Invariant: it remembers a line for each cluster that exists now, and shows a bounded number.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::sample::{ClusterLine, Clusters, LastTurn};

/// Clusters of either kind that are shown at most.
const MOST: usize = 40;

/// What is left of a cluster's activity after a sample.
const FADING: f64 = 0.9;

/// How long a cluster that sleeps is shown among those that are awake.
const LATELY: Duration = Duration::from_secs(30);

/// What has been seen of each cluster.
#[derive(Debug, Default)]
pub(super) struct Attention(HashMap<String, Seen>);

#[derive(Debug)]
struct Seen {
    activity: f64,
    awake: Option<Instant>,
    last: Option<LastTurn>,
}

impl Attention {
    /// Parts the clusters as they are now into those that are awake and those that sleep.
    pub(super) fn pick(&mut self, clusters: Vec<ClusterLine>, now: Instant) -> Clusters {
        let total = clusters.len();
        let mut before = std::mem::take(&mut self.0);
        let (mut shown, mut asleep) = (Vec::new(), Vec::new());
        for cluster in clusters {
            let seen = Seen::now(before.remove(&cluster.name), &cluster, now);
            let lately = |at| now.saturating_duration_since(at) < LATELY;
            let activity = seen.activity;
            if seen.awake.is_some_and(lately) {
                shown.push((activity, cluster.clone()));
            } else {
                asleep.push(cluster.clone());
            }
            self.0.insert(cluster.name, seen);
        }
        let awake = shown.len();
        shown.sort_by(|(left, one), (right, other)| {
            right
                .total_cmp(left)
                .then_with(|| one.name.cmp(&other.name))
        });
        shown.truncate(MOST);
        let mut shown: Vec<ClusterLine> = shown.into_iter().map(|(_, cluster)| cluster).collect();
        shown.sort_by(|one, other| {
            let turns = one.next_turn().cmp(&other.next_turn());
            turns.then_with(|| one.name.cmp(&other.name))
        });
        asleep.sort_by(|one, other| one.name.cmp(&other.name));
        asleep.truncate(MOST);
        Clusters {
            total,
            awake,
            shown,
            asleep,
        }
    }
}

impl Seen {
    fn now(before: Option<Self>, cluster: &ClusterLine, now: Instant) -> Self {
        let before = before.unwrap_or(Self {
            activity: 0.0,
            awake: None,
            last: None,
        });
        // A whole turn may have been between two samples. Samples are made from the start on, so what
        // a cluster did before it was first seen is not long ago either.
        let turned = before.last != cluster.last;
        let awake = cluster.turn != "asleep" || turned;
        let booked = cluster.last.as_ref().is_some_and(|last| last.booked > 0);
        let more = match (awake, booked, &*cluster.turn) {
            (true, true, _) => 2.0,
            (true, false, "running") => 1.0,
            _ => 0.0,
        };
        Self {
            activity: before.activity * FADING + more,
            awake: if awake { Some(now) } else { before.awake },
            last: cluster.last.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, turn: &str, due_in_ms: Option<u64>) -> ClusterLine {
        ClusterLine {
            name: name.to_owned(),
            turn: turn.to_owned(),
            due_in_ms,
            last: None,
        }
    }

    fn names(clusters: &[ClusterLine]) -> Vec<&str> {
        clusters.iter().map(|one| &*one.name).collect()
    }

    #[test]
    fn those_with_work_come_in_the_order_of_their_turns_and_those_that_sleep_apart() {
        let mut attention = Attention::default();
        let picked = attention.pick(
            vec![
                cluster("later", "waiting", Some(4200)),
                cluster("s2", "asleep", None),
                cluster("soon", "waiting", Some(900)),
                cluster("s1", "asleep", None),
                cluster("now", "running", None),
                cluster("next", "waiting", Some(1100)),
            ],
            Instant::now(),
        );
        assert_eq!(names(&picked.shown), ["now", "soon", "next", "later"]);
        assert_eq!(names(&picked.asleep), ["s1", "s2"]);
        assert_eq!((picked.total, picked.awake, picked.sleeping()), (6, 4, 2));
    }

    #[test]
    fn a_cluster_that_runs_and_waits_by_turns_keeps_its_place() {
        let mut attention = Attention::default();
        for (one, other) in [("running", "waiting"), ("waiting", "running")] {
            let clusters = vec![cluster("b", one, Some(20)), cluster("a", other, Some(30))];
            let picked = attention.pick(clusters, Instant::now());
            assert_eq!(names(&picked.shown), ["a", "b"]);
        }
    }

    #[test]
    fn who_had_a_turn_lately_is_shown_for_a_while_even_if_the_turn_itself_was_not_seen() {
        let mut attention = Attention::default();
        let began = Instant::now();
        let mut look = |booked: u64, after: u64| {
            let mut quick = cluster("quick", "asleep", None);
            quick.last = Some(LastTurn {
                booked,
                ..LastTurn::default()
            });
            let clusters = vec![quick, cluster("still", "asleep", None)];
            let picked = attention.pick(clusters, began + Duration::from_secs(after));
            assert_eq!(picked.total, 2);
            picked.awake
        };
        assert_eq!(look(7, 0), 1, "it had a turn before the first sample");
        assert_eq!(look(7, 30), 0);
        assert_eq!(look(9, 31), 1);
        assert_eq!(look(9, 60), 1);
        assert_eq!(look(9, 61), 0);
    }
}
