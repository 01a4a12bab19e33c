//! No cluster starves: 500 clusters, 5 of them endlessly busy, on a clock that stands still
//! between events.
//!
//! The bound: between the moment a cluster is due and its turn, every other cluster begins at most
//! one turn. So with 500 clusters at most 499 turns begin before it; and with `n` turns running at a
//! time of `t` at most, it waits for no longer than `(499 / n + 1) * t`.
//!
//! Within a cluster, jobs of which nothing fits do not hide those behind them.

use super::tests::{book, cluster, take};
use super::*;

const CLUSTERS: usize = 500;
const BUSY: usize = 5;
const AT_A_TIME: usize = 4;
const LONGEST_TURN: Duration = Duration::from_millis(80);

/// A turn that runs, and when it ends.
struct Turn {
    ends: Instant,
    ticket: Ticket,
    busy: bool,
}

/// Numbers that look drawn and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Begins the turn that is due, and checks the bound for it.
fn begin(book: &TurnBook, begun: &mut Vec<(ClusterKey, Instant)>, draw: &mut Draw) -> Option<Turn> {
    let due_since = book.lock().queue.first().map(|(place, _)| place.0)?;
    let due = book.take_due(Instant::now()).ok()?;
    let key = &due.cluster.key;
    let waited = Instant::now() - due_since;
    let before: Vec<&ClusterKey> = begun
        .iter()
        .rev()
        .take_while(|(_, at)| *at >= due_since)
        .map(|(key, _)| key)
        .collect();
    let distinct: std::collections::HashSet<_> = before.iter().collect();
    assert_eq!(distinct.len(), before.len(), "a turn of another came twice");
    assert!(before.len() < CLUSTERS, "{} turns came first", before.len());
    let longest = LONGEST_TURN * u32::try_from((CLUSTERS - 1) / AT_A_TIME + 1).unwrap();
    assert!(waited <= longest, "{key:?} waited {waited:?}");
    begun.push((key.clone(), Instant::now()));
    let name: usize = due.cluster.show_name.parse().unwrap();
    let spent = 1 + draw.below(LONGEST_TURN.as_millis() as u64);
    Some(Turn {
        ends: Instant::now() + Duration::from_millis(spent),
        ticket: book.open(&due.cluster, |_| {}),
        busy: name < BUSY,
    })
}

#[tokio::test(start_paused = true)]
async fn every_eligible_cluster_is_served_before_any_other_has_two_turns() {
    let book = TurnBook::new(Rests {
        empty: Duration::from_secs(3),
        saturated: Duration::from_millis(250),
        productivity_bias: true,
    });
    let clusters = (0..CLUSTERS).map(|n| cluster(&n.to_string())).collect();
    book.reload(clusters, Instant::now());
    let (mut running, mut begun) = (Vec::<Turn>::new(), Vec::new());
    let mut draw = Draw(7);
    while begun.len() < 20 * CLUSTERS {
        while running.len() < AT_A_TIME
            && let Some(turn) = begin(&book, &mut begun, &mut draw)
        {
            running.push(turn);
        }
        running.sort_by_key(|turn| Reverse(turn.ends));
        let next = match running.last() {
            Some(turn) => turn.ends,
            None => book.take_due(Instant::now()).err().flatten().unwrap(),
        };
        tokio::time::advance(next - Instant::now()).await;
        if let Some(turn) = running.pop_if(|turn| turn.ends <= Instant::now())
            && (turn.busy || draw.below(3) == 0)
        {
            turn.ticket.found(1, 1);
            let books = turn.busy || draw.below(2) == 0;
            turn.ticket.booked(u64::from(books));
        }
    }
    for n in 0..CLUSTERS {
        let key = &cluster(&n.to_string()).key;
        let turns = begun.iter().filter(|(other, _)| other == key).count();
        assert!(turns >= 5, "cluster {n} had {turns} turns");
    }
}

/// A turn that looks at so many jobs and no further, and finds so many that are its own.
fn looks_at(book: &TurnBook, own: u64, jobs: u32) {
    let ticket = book.open(&take(book), |_| {});
    ticket.found(own, own);
    ticket.saw_only(Depth::of_jobs(jobs));
}

#[tokio::test(start_paused = true)]
async fn jobs_without_room_make_way_for_those_behind_them() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    looks_at(&book, 1, 7);
    let due = book.take_due(Instant::now()).ok().unwrap();
    assert_eq!(due.skip, Depth::of_jobs(7));
    drop(book.open(&due.cluster, |_| {}));
    assert_eq!(
        book.idle().0,
        0,
        "there were jobs, before those it looked for"
    );
    tokio::time::advance(Duration::from_millis(250)).await;
    assert_eq!(
        book.take_due(Instant::now()).ok().unwrap().skip,
        Depth::FRONT
    );
}

#[tokio::test(start_paused = true)]
async fn jobs_that_turn_out_to_be_for_others_make_way_too() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    looks_at(&book, 0, 100);
    assert_eq!(book.idle().0, 0);
    assert_eq!(
        book.take_due(Instant::now()).ok().unwrap().skip,
        Depth::of_jobs(100)
    );
}
