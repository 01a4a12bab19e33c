//! Backoffs grow, end, are forgiven, and are seen by people.

use super::*;

#[test]
fn backoffs_double_up_to_the_longest_and_are_reset() {
    let backoffs = Backoffs::new(Duration::from_secs(1), Duration::from_secs(5));
    let mut now = Instant::now();
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let backoff = backoffs.record_failure(&"a", now);
        lengths.push(backoff.as_secs());
        assert_eq!(backoffs.failures(&"a") as usize, lengths.len());
        assert!(backoffs.is_active(&"a", now));
        assert_eq!(backoffs.keys(now), ["a"]);
        now += backoff;
        assert!(backoffs.keys(now).is_empty());
        assert!(!backoffs.is_active(&"a", now));
    }
    assert_eq!(lengths, [1, 2, 4, 5]);
    assert!(!backoffs.is_active(&"b", now));
    backoffs.reset(&"a");
    assert_eq!(backoffs.record_failure(&"a", now).as_secs(), 1);
}

#[test]
fn failures_during_a_backoff_count_once() {
    let backoffs = Backoffs::new(Duration::from_secs(1), Duration::from_secs(5));
    let now = Instant::now();
    for _ in 0..9 {
        assert_eq!(backoffs.record_failure(&"a", now).as_secs(), 1);
    }
    assert_eq!(
        backoffs
            .record_failure(&"a", now + Duration::from_secs(1))
            .as_secs(),
        2
    );
}

#[test]
fn another_kind_of_failure_has_its_own_backoff() {
    let backoffs = Backoffs::new(Duration::from_secs(10), Duration::from_secs(600));
    let mut now = Instant::now();
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let within = (Duration::from_secs(1), Duration::from_secs(4));
        let backoff = backoffs.record_failure_within(&"a", now, within, held());
        lengths.push(backoff.as_secs());
        now += backoff;
    }
    assert_eq!(lengths, [1, 2, 4, 4]);
}

#[test]
fn old_failures_do_not_pile_up() {
    let backoffs = Backoffs::new(Duration::from_secs(1), Duration::from_secs(5));
    let now = Instant::now();
    (0..100).for_each(|key| {
        backoffs.record_failure(&key, now);
    });
    backoffs.record_failure(&1000, now + Duration::from_secs(60));
    assert_eq!(backoffs.entries.lock().len(), 1);
}

fn held() -> Setback {
    Setback::Held {
        table: "job_resource".into(),
        holder: None,
    }
}

#[test]
fn a_failure_of_another_kind_begins_with_the_first_backoff() {
    let backoffs = Backoffs::new(Duration::from_secs(10), Duration::from_secs(600));
    let mut now = Instant::now();
    let within = (Duration::from_secs(1), Duration::from_secs(8));
    for wanted in [1, 2, 4] {
        let backoff = backoffs.record_failure_within(&"a", now, within, held());
        assert_eq!(backoff.as_secs(), wanted);
        now += backoff;
    }
    assert!(backoffs.was_held(&"a"));
    assert_eq!(backoffs.record_failure(&"a", now).as_secs(), 10);
    assert!(!backoffs.was_held(&"a"));
}

#[test]
fn a_booking_refutes_what_bookings_failed_for_and_nothing_else() {
    let backoffs = Backoffs::new(Duration::from_secs(10), Duration::from_secs(600));
    let now = Instant::now();
    let within = (Duration::from_secs(1), Duration::from_secs(8));
    backoffs.record_failure_within(&"held", now, within, held());
    backoffs.record_failure(&"launched", now);
    backoffs.booked([&"held", &"launched", &"sound"]);
    assert_eq!(backoffs.keys(now), ["launched"]);
}

#[test]
fn people_see_the_reason_and_both_times() {
    let backoffs = Backoffs::new(Duration::from_secs(10), Duration::from_secs(600));
    let start = Instant::now();
    let within = (Duration::from_secs(1), Duration::from_secs(8));
    backoffs.record_failure_within(&"a", start, within, held());
    backoffs.record_failure_within(&"a", start + Duration::from_secs(5), within, held());
    let now = start + Duration::from_secs(6);
    let seen = Backoff {
        since: Duration::from_secs(6),
        remaining: Duration::from_secs(1),
        reason: held(),
    };
    assert_eq!(backoffs.all(now, 9), [("a", seen)]);
    let later = start + Duration::from_secs(8);
    let lately = backoffs.recent(&"a", later).unwrap();
    assert_eq!(lately.remaining, Duration::ZERO);
    assert_eq!(backoffs.recent(&"a", later + LATELY), None);
    assert_eq!(backoffs.get(&"a", start + Duration::from_secs(7)), None);
}
