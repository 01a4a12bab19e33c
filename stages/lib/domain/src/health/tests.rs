//! Steps that fail, stay idle and recover.

use proptest::prelude::*;

use super::*;

/// A farm whose clock is moved by hand.
struct Farm {
    health: BookingHealth,
    began: Instant,
    now: Duration,
}

impl Farm {
    fn new() -> Self {
        Self {
            health: BookingHealth::default(),
            began: Instant::now(),
            now: Duration::ZERO,
        }
    }

    fn now(&self) -> Instant {
        self.began + self.now
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn fails(&mut self, step: Step, layers: &[&str], scope: Scope) {
        self.wait(1);
        let failure = failure(scope, Retest::Statement);
        self.health.failed(step, &ids(layers), failure, self.now());
    }

    fn books(&mut self, layers: &[&str]) {
        self.wait(1);
        self.health.booked(&ids(layers), self.now());
    }

    fn step(&self) -> Option<Step> {
        let trouble = self.health.trouble(self.now());
        trouble.map(|trouble| trouble.step)
    }
}

fn ids(layers: &[&str]) -> Vec<LayerId> {
    layers.iter().map(|layer| LayerId::from(*layer)).collect()
}

fn failure(scope: Scope, retest: Retest) -> Failure {
    Failure {
        statement: "start_frames",
        code: Some("42501".to_owned()),
        message: "permission denied for table\nproc".to_owned(),
        scope,
        retest,
    }
}

#[test]
fn a_booking_that_fails_every_time_is_trouble_with_reason_and_time() {
    let mut farm = Farm::new();
    for _ in 0..2 {
        farm.fails(Step::Book, &["a"], Scope::Everything);
        assert_eq!(farm.step(), None);
    }
    farm.fails(Step::Book, &["a"], Scope::Everything);
    farm.wait(2);
    let trouble = farm.health.trouble(farm.now()).unwrap();
    assert_eq!(
        trouble.to_string(),
        "bookings fail: permission denied for table proc (statement start_frames, SQLSTATE 42501), 3 times in 4 s"
    );
    farm.books(&["a"]);
    assert_eq!(farm.step(), None);
}

#[test]
fn several_workers_that_fail_at_one_moment_are_a_blip() {
    let farm = Farm::new();
    for layer in ["a", "b", "c", "d"] {
        let failure = failure(Scope::Everything, Retest::Connection);
        farm.health
            .failed(Step::Book, &ids(&[layer]), failure, farm.now());
    }
    assert_eq!(farm.step(), None);
}

#[test]
fn errors_of_rows_are_trouble_when_several_layers_have_them_and_none_is_booked() {
    let mut farm = Farm::new();
    for _ in 0..9 {
        farm.fails(Step::Book, &["a"], Scope::Row);
    }
    assert_eq!(farm.step(), None, "a single layer may be at fault");
    farm.fails(Step::Book, &["b"], Scope::Row);
    assert_eq!(farm.step(), Some(Step::Book));
}

#[test]
fn a_layer_that_fails_while_others_are_booked_is_no_trouble_of_the_farm() {
    let mut farm = Farm::new();
    for _ in 0..2 {
        farm.fails(Step::Book, &["bad", "good"], Scope::Everything);
    }
    farm.books(&["good"]);
    for _ in 0..9 {
        farm.fails(Step::Book, &["bad"], Scope::Everything);
    }
    assert_eq!(farm.step(), None, "and only the bad one is left");
    for _ in 0..3 {
        farm.fails(Step::Book, &["bad", "fresh"], Scope::Everything);
    }
    assert_eq!(farm.step(), Some(Step::Book), "a fresh layer fails too");
    farm.books(&["bad"]);
    for _ in 0..3 {
        farm.fails(Step::Book, &["bad"], Scope::Everything);
    }
    assert_eq!(farm.step(), Some(Step::Book), "it was sound in between");
}

#[test]
fn a_step_that_succeeds_or_a_booking_ends_the_trouble_of_a_step() {
    for step in [Step::Demand, Step::Hosts, Step::Jobs, Step::Lock] {
        for by_booking in [false, true] {
            let mut farm = Farm::new();
            for _ in 0..3 {
                farm.fails(step, &[], Scope::Row);
            }
            assert_eq!(farm.step(), Some(step));
            match by_booking {
                true => farm.books(&[]),
                false => farm.health.succeeded(step),
            }
            assert_eq!(farm.step(), None);
        }
    }
}

#[test]
fn what_nobody_tries_any_more_is_tested_again_or_forgotten() {
    let mut farm = Farm::new();
    for _ in 0..3 {
        farm.fails(Step::Book, &["a"], Scope::Everything);
    }
    assert_eq!(farm.health.retest(farm.now()), None, "it is being tried");
    for _ in 0..20 {
        farm.wait(3);
        let retest = farm.health.retest(farm.now());
        assert_eq!(retest, Some((Retest::Statement, "start_frames")));
        farm.health.retested(false, farm.now());
    }
    assert_eq!(
        farm.step(),
        Some(Step::Book),
        "the cause is known to be there"
    );
    farm.wait(29);
    assert_eq!(farm.step(), Some(Step::Book));
    farm.wait(1);
    assert_eq!(farm.step(), None, "nobody tested it");
    assert_eq!(farm.health.retest(farm.now()), None);
    for _ in 0..2 {
        farm.fails(Step::Book, &["a"], Scope::Everything);
    }
    assert_eq!(farm.step(), None, "it begins again");
    farm.fails(Step::Book, &["a"], Scope::Everything);
    assert_eq!(farm.step(), Some(Step::Book));
    farm.wait(3);
    farm.health.retested(true, farm.now());
    assert_eq!(farm.step(), None);
}

#[test]
fn a_failure_without_a_test_ages_out() {
    let mut farm = Farm::new();
    for _ in 0..3 {
        farm.wait(1);
        let failure = failure(Scope::Everything, Retest::None);
        farm.health
            .failed(Step::Book, &ids(&["a"]), failure, farm.now());
    }
    farm.wait(10);
    assert_eq!(farm.step(), Some(Step::Book));
    assert_eq!(farm.health.retest(farm.now()), None);
    farm.wait(20);
    assert_eq!(farm.step(), None);
}

#[test]
fn what_failed_while_everything_did_is_not_at_fault_for_it() {
    let mut farm = Farm::new();
    for _ in 0..2 {
        for _ in 0..3 {
            farm.fails(Step::Book, &["a", "b", "c"], Scope::Everything);
        }
        assert_eq!(farm.step(), Some(Step::Book));
        farm.books(&["a"]);
        assert_eq!(farm.step(), None);
    }
}

proptest! {
    /// Bad layers that have failed together with a sound one that was booked are no trouble, however often they
    /// fail when nothing else is left.
    #[test]
    fn bad_layers_beside_a_sound_one_are_no_trouble(
        attempts in proptest::collection::vec((proptest::collection::vec(0usize..5, 1..4), any::<bool>()), 1..20),
        alone in proptest::collection::vec((0usize..5, any::<bool>()), 1..60),
    ) {
        let names = ["l0", "l1", "l2", "l3", "l4"];
        let scope = |everything| if everything { Scope::Everything } else { Scope::Row };
        let mut farm = Farm::new();
        let mut known = BTreeSet::new();
        for (layers, everything) in attempts {
            let layers: Vec<&str> = layers.into_iter().map(|layer| names[layer]).collect();
            farm.fails(Step::Book, &layers, scope(everything));
            farm.books(&["sound"]);
            prop_assert_eq!(farm.step(), None);
            known.extend(layers);
        }
        for (layer, everything) in alone {
            if known.contains(names[layer]) {
                farm.fails(Step::Book, &[names[layer]], scope(everything));
                prop_assert_eq!(farm.step(), None);
            }
        }
    }
}
