//! No cluster starves, on a clock that stands still between events.
//!
//! The bound: between the tick in which a cluster is due and its turn, every other cluster begins at most
//! one turn. So with 500 clusters at most 499 turns begin before it; and with `n` turns running at a
//! time of `t` at most, it waits for no longer than `(499 / n + 1) * t`.

use std::cmp::Reverse;
use std::collections::HashSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::tests::{booked, cluster, demand, queue};
use super::*;

/// A farm on which some clusters always find work that books.
#[derive(Clone, Copy, Debug)]
struct Farm {
    clusters: usize,
    busy: usize,
    /// Turns that run at a time.
    at_a_time: usize,
    /// The shortest turn may take no time at all.
    longest_turn: Duration,
    seed: u64,
}

/// A turn that runs, and its end.
struct Turn {
    ends: Instant,
    ticket: TurnTicket,
    busy: bool,
}

/// Turns that began so far, in order.
type Begun = Vec<(ClusterKey, Instant)>;

impl Farm {
    /// Begins the turn that is due, and checks the bound for it.
    fn begin(self, queue: &TurnQueue, begun: &mut Begun, draw: &mut StdRng) -> Option<Turn> {
        let due_since = queue.next_due()?;
        let due = queue.take_due(Instant::now())?;
        let key = &due.cluster.key;
        let waited = Instant::now() - due_since;
        let before: Vec<&ClusterKey> = begun
            .iter()
            .rev()
            .take_while(|(_, at)| *at >= due_since)
            .map(|(key, _)| key)
            .collect();
        let distinct: HashSet<_> = before.iter().collect();
        assert_eq!(distinct.len(), before.len(), "a turn of another came twice");
        assert!(!distinct.contains(&key), "two turns in one tick");
        let others = u32::try_from((self.clusters - 1) / self.at_a_time + 1).unwrap();
        assert!(
            waited <= self.longest_turn * others,
            "{key:?} waited {waited:?}"
        );
        begun.push((key.clone(), Instant::now()));
        let name: usize = due.cluster.show_name.parse().unwrap();
        let longest = self.longest_turn.as_micros() as u64;
        let spent = Duration::from_micros(draw.random_range(0..=longest));
        Some(Turn {
            ends: Instant::now() + spent,
            ticket: queue.open(&due.cluster, |_, _| {}),
            busy: name < self.busy,
        })
    }

    /// Lets this many turns begin. Returns the number of each cluster.
    async fn run(self, turns: usize) -> Vec<usize> {
        let queue = queue();
        let names = (0..self.clusters).map(|n| n.to_string());
        let clusters: Vec<_> = names.map(|name| cluster(&name)).collect();
        queue.demand_changed(
            clusters.iter().map(|cluster| demand(cluster, 1)).collect(),
            Instant::now(),
        );
        let (mut running, mut begun) = (Vec::<Turn>::new(), Begun::new());
        let mut draw = StdRng::seed_from_u64(self.seed);
        while begun.len() < turns {
            while running.len() < self.at_a_time
                && let Some(turn) = self.begin(&queue, &mut begun, &mut draw)
            {
                running.push(turn);
            }
            running.sort_by_key(|turn| Reverse(turn.ends));
            let next = match running.last() {
                Some(turn) => turn.ends,
                None => queue.next_due().unwrap(),
            };
            tokio::time::advance(next.saturating_duration_since(Instant::now())).await;
            if let Some(turn) = running.pop_if(|turn| turn.ends <= Instant::now())
                && (turn.busy || draw.random_ratio(1, 3))
            {
                turn.ticket.found(1, 1);
                let books = turn.busy || draw.random_ratio(1, 2);
                turn.ticket.booked(booked("job", u64::from(books)));
            }
        }
        let of = |cluster: &Arc<Cluster>| {
            let of_cluster = begun.iter().filter(|(key, _)| *key == cluster.key);
            of_cluster.count()
        };
        clusters.iter().map(of).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn of_500_clusters_none_starves_beside_five_that_are_endlessly_busy() {
    let farm = Farm {
        clusters: 500,
        busy: 5,
        at_a_time: 4,
        longest_turn: Duration::from_millis(80),
        seed: 7,
    };
    let turns = farm.run(20 * farm.clusters).await;
    assert!(turns.iter().all(|turns| *turns >= 5), "{turns:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_cluster_that_is_due_is_served_before_any_other_has_two_turns(
        clusters in 1usize..24,
        busy in 0usize..24,
        at_a_time in 1usize..6,
        longest_us in 0u64..40_000,
        seed: u64,
    ) {
        let farm = Farm {
            clusters,
            busy,
            at_a_time,
            longest_turn: Duration::from_micros(longest_us),
            seed,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let turns = runtime.block_on(farm.run(600));
        // A busy cluster does not starve another either; how soon it is due again depends on what it found.
        prop_assert!(turns.iter().all(|turns| *turns > 0), "{turns:?}");
    }
}

/// Turns of a busy cluster and of one whose turns end as `ends` says, in half a second.
async fn turns_in_half_a_second(ends: impl Fn(&TurnTicket)) -> (usize, usize) {
    let queue = queue();
    let clusters = ["idle", "busy"].map(|name| demand(&cluster(name), 1));
    queue.demand_changed(clusters.to_vec(), Instant::now());
    let end = Instant::now() + Duration::from_millis(500);
    let (mut idle, mut busy) = (0, 0);
    while Instant::now() < end {
        let Some(due) = queue.take_due(Instant::now()) else {
            let next = queue.next_due().unwrap();
            tokio::time::advance(next - Instant::now()).await;
            continue;
        };
        let ticket = queue.open(&due.cluster, |_, _| {});
        tokio::time::advance(Duration::from_millis(40)).await;
        if due.cluster.show_name.as_ref() == "busy" {
            busy += 1;
            ticket.found(1, 1);
            ticket.booked(booked("job", 1));
        } else {
            idle += 1;
            ends(&ticket);
        }
    }
    (idle, busy)
}

#[tokio::test(start_paused = true)]
async fn a_busy_cluster_gets_more_than_twice_the_turns_of_an_idle_one_within_half_a_second() {
    let without_jobs = turns_in_half_a_second(|_| {}).await;
    let without_hosts = turns_in_half_a_second(|ticket| ticket.found(1, 1)).await;
    let failed = turns_in_half_a_second(|ticket| ticket.fail()).await;
    for (idle, busy) in [without_jobs, without_hosts, failed] {
        assert!(idle > 0 && busy > 2 * idle, "{busy} against {idle}");
    }
}
