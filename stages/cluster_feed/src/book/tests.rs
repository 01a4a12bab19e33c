//! The book by example: when turns are due, and who sleeps.

use super::*;
use cue_domain::{Tag, TagKind};
use cue_store::ActiveTags;

pub(super) fn cluster(name: &str) -> Arc<Cluster> {
    Arc::new(Cluster {
        key: ClusterKey {
            facility: "f".into(),
            show: name.into(),
            kind: TagKind::Alloc,
            tags: [name.into()].into(),
        },
        facility_name: "cloud".into(),
        show_name: name.into(),
    })
}

pub(super) fn book() -> TurnBook {
    TurnBook::new(Rests {
        empty: Duration::from_secs(3),
        saturated: Duration::from_millis(250),
        productivity_bias: true,
    })
}

pub(super) fn take(book: &TurnBook) -> Arc<Cluster> {
    book.take_due(Instant::now()).ok().unwrap().cluster
}

#[tokio::test(start_paused = true)]
async fn a_cluster_has_one_turn_at_a_time() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    let ticket = book.open(&take(&book), |_| {});
    assert!(matches!(book.take_due(Instant::now()), Err(None)));
    ticket.found(1, 1);
    ticket.booked(1);
    drop(ticket);
    assert_eq!(take(&book).show_name.as_ref(), "a");
}

#[tokio::test(start_paused = true)]
async fn the_rest_after_a_turn_depends_on_what_it_came_to() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    let start = Instant::now();
    drop(book.open(&take(&book), |_| {}));
    assert_eq!(
        book.take_due(Instant::now()).err(),
        Some(Some(start + Duration::from_secs(3)))
    );
    tokio::time::advance(Duration::from_secs(3)).await;
    let ticket = book.open(&take(&book), |_| {});
    ticket.found(1, 1);
    drop(ticket);
    assert_eq!(
        book.take_due(Instant::now()).err(),
        Some(Some(Instant::now() + Duration::from_millis(250)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_vanished_cluster_finishes_its_turn_and_leaves() {
    let book = book();
    book.reload(vec![cluster("a"), cluster("b")], Instant::now());
    let ticket = book.open(&take(&book), |_| {});
    assert_eq!(book.reload(vec![], Instant::now()), (0, 1));
    assert_eq!(book.status().len(), 1);
    drop(ticket);
    assert!(book.status().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_finished_turn_wakes_the_feed() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    drop(book.open(&take(&book), |_| {}));
    let told = tokio::time::timeout(Duration::from_secs(1), book.changed());
    assert!(told.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_two_that_are_due_the_busier_goes_first() {
    let book = book();
    book.reload(vec![cluster("a"), cluster("b")], Instant::now());
    let (first, second) = (take(&book), take(&book));
    let (quiet, busy) = (book.open(&first, |_| {}), book.open(&second, |_| {}));
    quiet.found(1, 1);
    busy.found(1, 1);
    busy.booked(1);
    drop(quiet);
    tokio::time::advance(Duration::from_millis(250)).await;
    drop(busy);
    assert_eq!(take(&book).key, second.key);
}

/// A scan that found so many waiting frames for each of these shows.
pub(super) fn scan(found: &[(&str, i64)]) -> Activity {
    let row = |(show, waiting): &(&str, i64)| ActiveTags {
        facility: "f".into(),
        show: (*show).into(),
        tags: vec![Tag::from(*show)],
        waiting: *waiting,
        newest_us: 1,
    };
    Activity::found(found.iter().map(row).collect())
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_work_sleeps_without_end_and_is_due_at_once_when_work_comes() {
    let book = book();
    book.reload(vec![cluster("a"), cluster("b")], Instant::now());
    book.wake(scan(&[("b", 1)]), Instant::now());
    let busy = take(&book);
    assert_eq!(busy.show_name.as_ref(), "b");
    drop(book.open(&busy, |_| {}));
    book.wake(scan(&[]), Instant::now());
    assert_eq!(book.take_due(Instant::now()).err(), Some(None));
    assert!(book.status().iter().all(|seen| seen.phase == Phase::Asleep));
    tokio::time::advance(Duration::from_secs(1_000_000)).await;
    assert_eq!(book.take_due(Instant::now()).err(), Some(None));
    book.wake(scan(&[("a", 1)]), Instant::now());
    assert_eq!(take(&book).show_name.as_ref(), "a");
}

#[tokio::test(start_paused = true)]
async fn work_that_goes_while_a_turn_runs_lets_the_cluster_sleep_after_it() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    let ticket = book.open(&take(&book), |_| {});
    book.wake(scan(&[]), Instant::now());
    ticket.found(1, 1);
    ticket.booked(5);
    drop(ticket);
    assert_eq!(book.take_due(Instant::now()).err(), Some(None));
}

#[tokio::test(start_paused = true)]
async fn new_work_ends_the_rest_after_an_empty_turn_and_the_same_work_does_not() {
    let book = book();
    book.wake(scan(&[("a", 7)]), Instant::now());
    book.reload(vec![cluster("a")], Instant::now());
    let begin = Instant::now();
    drop(book.open(&take(&book), |_| {}));
    book.wake(scan(&[("a", 7)]), Instant::now());
    assert_eq!(
        book.take_due(Instant::now()).err(),
        Some(Some(begin + Duration::from_secs(3))),
        "what the turn could not find is not looked for at every scan"
    );
    book.wake(scan(&[("a", 8)]), Instant::now());
    let ticket = book.open(&take(&book), |_| {});
    // It came after the query of this turn, which therefore finds nothing.
    book.wake(scan(&[("a", 9)]), Instant::now());
    drop(ticket);
    drop(book.open(&take(&book), |_| {}));
    assert!(book.take_due(Instant::now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn new_work_does_not_end_the_rest_of_a_failed_or_saturated_turn() {
    let book = book();
    book.reload(vec![cluster("a"), cluster("b")], Instant::now());
    let (failed, saturated) = (
        book.open(&take(&book), |_| {}),
        book.open(&take(&book), |_| {}),
    );
    failed.fail();
    saturated.found(1, 1);
    drop((failed, saturated));
    book.wake(scan(&[("a", 1), ("b", 1)]), Instant::now());
    assert_eq!(
        book.take_due(Instant::now()).err(),
        Some(Some(Instant::now() + Duration::from_millis(250)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_cluster_is_due_at_once_if_the_last_scan_found_work_for_it() {
    let book = book();
    book.wake(scan(&[("a", 1)]), Instant::now());
    book.reload(vec![cluster("a"), cluster("b")], Instant::now());
    assert_eq!(take(&book).show_name.as_ref(), "a");
    assert_eq!(book.take_due(Instant::now()).err(), Some(None));
}

#[tokio::test(start_paused = true)]
async fn when_the_scan_is_blind_every_cluster_gets_turns_again() {
    let book = book();
    book.wake(scan(&[]), Instant::now());
    book.reload(vec![cluster("a")], Instant::now());
    book.scan_failed(false, Instant::now());
    assert_eq!(book.take_due(Instant::now()).err(), Some(None));
    book.scan_failed(true, Instant::now());
    tokio::time::advance(Duration::from_secs(3)).await;
    drop(book.open(&take(&book), |_| {}));
    book.wake(scan(&[]), Instant::now());
    assert_eq!(book.take_due(Instant::now()).err(), Some(None));
}

#[tokio::test(start_paused = true)]
async fn turns_and_scans_without_jobs_count_in_a_row_and_failed_ones_too() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    let running = book.open(&take(&book), |_| {});
    book.wake(scan(&[]), Instant::now());
    assert_eq!(book.idle(), (0, false), "a running turn may find some");
    running.fail();
    drop(running);
    assert_eq!(book.idle(), (1, true));
    book.wake(scan(&[]), Instant::now());
    book.scan_failed(true, Instant::now());
    assert_eq!(book.idle(), (3, true));
    book.scan_failed(false, Instant::now());
    assert_eq!(
        book.idle(),
        (3, true),
        "what an outage means the breaker says"
    );
    book.wake(scan(&[("a", 1)]), Instant::now());
    assert_eq!(book.idle(), (3, true), "only a turn with jobs says so");
    tokio::time::advance(Duration::from_secs(3)).await;
    let found = book.open(&take(&book), |_| {});
    found.found(1, 1);
    drop(found);
    assert_eq!(book.idle(), (0, true));
}

#[tokio::test(start_paused = true)]
async fn without_the_bias_the_older_cluster_goes_first_on_a_tie() {
    for (productivity_bias, first) in [(true, "b"), (false, "a")] {
        let book = TurnBook::new(Rests {
            productivity_bias,
            ..book().rests
        });
        book.reload(vec![cluster("a"), cluster("b")], Instant::now());
        let (a, b) = (take(&book), take(&book));
        let (quiet, busy) = (book.open(&a, |_| {}), book.open(&b, |_| {}));
        quiet.found(1, 1);
        busy.found(1, 1);
        busy.booked(1);
        drop(busy);
        drop(quiet);
        let second = book.take_due(Instant::now()).ok().unwrap();
        let ticket = book.open(&second.cluster, |_| {});
        ticket.found(1, 1);
        drop(ticket);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(take(&book).show_name.as_ref(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn the_census_counts_clusters_with_work_and_rounds() {
    let book = book();
    book.wake(scan(&[("a", 1), ("b", 1)]), Instant::now());
    book.reload(
        vec![cluster("a"), cluster("b"), cluster("c")],
        Instant::now(),
    );
    drop(book.open(&take(&book), |_| {}));
    let half = book.census(Instant::now());
    assert_eq!((half.active, half.resting, half.rounds), (2, 1, 0));
    drop(book.open(&take(&book), |_| {}));
    let whole = book.census(Instant::now());
    assert_eq!((whole.active, whole.resting, whole.rounds), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_in_vain_is_not_asked_again_until_something_has_changed_or_time_has_passed() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    book.wake(scan(&[("a", 5)]), Instant::now());
    let turn = |tried: bool, gains: u64| {
        let due = book.take_due(Instant::now()).ok().unwrap();
        let ticket = book.open(&due.cluster, |_| {});
        ticket.found(1, 1);
        ticket.asked_at(gains);
        if tried {
            ticket.tried();
        }
        due.ask
    };
    let saturated = Duration::from_millis(250);
    let pass = async || tokio::time::advance(saturated).await;
    assert_eq!(turn(true, 7), Ask::Always, "it never asked");
    pass().await;
    assert_eq!(turn(false, 8), Ask::WithHosts, "there was a host to try");
    pass().await;
    assert_eq!(turn(false, 9), Ask::AfterGains(8), "nothing fitted");
    pass().await;
    book.wake(scan(&[("a", 6)]), Instant::now());
    assert_eq!(turn(false, 9), Ask::WithHosts, "there is new work");
    pass().await;
    assert_eq!(turn(false, 9), Ask::AfterGains(9));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(turn(false, 9), Ask::Always, "it has been a while");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_asked_nothing_rests_as_a_saturated_one_and_is_not_idle() {
    let book = book();
    book.reload(vec![cluster("a")], Instant::now());
    book.wake(scan(&[("a", 5)]), Instant::now());
    book.open(&take(&book), |_| {}).found(1, 1);
    tokio::time::advance(Duration::from_millis(250)).await;
    book.open(&take(&book), |_| {}).unasked();
    assert_eq!(book.idle(), (0, true));
    let next = Instant::now() + Duration::from_millis(250);
    assert_eq!(book.take_due(Instant::now()).err(), Some(Some(next)));
    tokio::time::advance(Duration::from_secs(2)).await;
    let due = book.take_due(Instant::now()).ok().unwrap();
    assert_eq!(due.ask, Ask::Always, "only a turn that asked puts that off");
    // It finds no jobs, as where a folder is full; what follows from that is not put off by the hosts.
    drop(book.open(&due.cluster, |_| {}));
    tokio::time::advance(Duration::from_secs(3)).await;
    let due = book.take_due(Instant::now()).ok().unwrap();
    assert_eq!(due.ask, Ask::Always);
    book.open(&due.cluster, |_| {}).unasked();
    assert_eq!(
        book.idle(),
        (1, true),
        "it does not end a row of turns without jobs"
    );
}
