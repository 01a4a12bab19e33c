//! Pending launches: in one place each, and asked about host by host.

use super::*;

fn launch(name: &str, host: &str) -> Launch {
    let booking = Unlaunched {
        frame: name.into(),
        version: 1,
        proc: name.into(),
        host: host.into(),
    };
    Launch {
        booking,
        trace: TracePoint::default(),
        dead: false,
    }
}

fn names(mut procs: Vec<ProcId>) -> Vec<String> {
    procs.sort();
    procs.iter().map(|proc| proc.as_str().to_owned()).collect()
}

#[test]
fn a_launch_that_is_dropped_is_unresolved_and_one_that_ended_is_not() {
    let book = Arc::new(PendingLaunches::default());
    drop(book.hold(launch("a", "h")));
    book.hold(launch("b", "h")).unwrap().taken_back(false);
    let held = book.hold(launch("c", "h")).unwrap();
    assert_eq!(names(book.procs()), ["a", "c"]);
    assert_eq!(book.unresolved(), 1, "what is in hand is no question yet");
    assert_eq!(["h", "other"].map(|host| book.unresolved_on(host)), [1, 0]);
    held.gone();
    assert_eq!(names(book.procs()), ["a"]);
}

#[test]
fn a_launch_is_in_one_place_whoever_finds_it_again() {
    let book = Arc::new(PendingLaunches::default());
    let held = book.hold(launch("a", "h")).unwrap();
    assert!(book.hold(launch("a", "h")).is_none(), "in hand");
    drop(held);
    assert!(book.hold(launch("a", "h")).is_none(), "unknown");
    let (_, taken) = book.take_due(Instant::now(), 9).remove(0);
    assert!(book.hold(launch("a", "h")).is_none(), "asked about");
    taken.into_iter().for_each(PendingLaunch::acknowledged);
    assert!(book.hold(launch("a", "h")).is_none(), "acknowledged");
    let unrecorded = book.unrecorded();
    assert_eq!(unrecorded.len(), 1);
    book.recorded(unrecorded.iter().map(|(proc, _)| proc));
    assert!(book.procs().is_empty() && book.unrecorded().is_empty());
}

#[test]
fn hosts_are_asked_by_themselves_and_silent_ones_less_often() {
    let book = Arc::new(PendingLaunches::default());
    for (name, host) in [("a", "silent"), ("b", "silent"), ("c", "fine")] {
        drop(book.hold(launch(name, host)));
    }
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let due = book.take_due(now, 9);
        let of_silent = due.iter().find(|(asked, _)| &*asked.host == "silent");
        assert_eq!(of_silent.map(|(_, launches)| launches.len()), Some(2));
        assert!(book.take_due(now, 9).is_empty(), "one question at a time");
        for (mut asked, launches) in due {
            asked.answered = &*asked.host != "silent";
            drop(launches);
        }
        assert_eq!(book.unresolved(), 3);
        let from = Instant::now();
        now = book.0.lock().unknown["silent"].due;
        // The clock goes on a little between the answer and this look.
        pauses.push((now - from + Duration::from_millis(500)).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let first = book.take_due(now, 1).remove(0);
    assert_eq!(&*first.0.host, "fine", "who answered last time comes first");
}

#[test]
fn a_question_that_is_cut_off_is_asked_again() {
    let book = Arc::new(PendingLaunches::default());
    drop(book.hold(launch("a", "h")));
    let cut_off = book.take_due(Instant::now(), 9);
    assert_eq!(book.unresolved(), 1, "it is unresolved all the while");
    drop(cut_off);
    book.all_due(Instant::now());
    assert_eq!(book.take_due(Instant::now(), 9).len(), 1);
}
