//! Shares against weights, and ranks as a total order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MINUTE_US: i64 = 60_000_000;

fn job(priority: i64, started_us: i64) -> Standing {
    Standing {
        priority,
        started_us,
        idle_since_us: None,
    }
}

fn by(order: Order) -> OrderRules {
    OrderRules {
        order,
        ..OrderRules::default()
    }
}

/// Gives `cores` whole cores one by one to the lowest rank; the index breaks ties.
fn serve(rules: &OrderRules, jobs: &[Standing], cores: usize, now_us: i64) -> Vec<i64> {
    let mut held = vec![0; jobs.len()];
    for _ in 0..cores {
        let ranks = jobs.iter().zip(&held).enumerate();
        let next =
            ranks.min_by_key(|(index, (job, held))| (rules.rank(job, **held, now_us), *index));
        let next = next.unwrap().0;
        held[next] += 100;
    }
    held
}

#[test]
fn priority_80_against_30_gets_81_percent() {
    let jobs = [job(30, 0), job(80, 1)];
    let held = serve(&OrderRules::default(), &jobs, 1000, 0);
    assert!((81_200..=81_400).contains(&held[1]), "{held:?}");
}

#[test]
fn without_cores_the_heavier_job_goes_first_and_then_the_older() {
    let rules = OrderRules::default();
    assert!(rules.rank(&job(80, 9), 0, 9) < rules.rank(&job(30, 0), 0, 9));
    assert!(rules.rank(&job(30, 1), 0, 9) < rules.rank(&job(30, 2), 0, 9));
    assert_eq!(
        rules.rank(&job(30, 1), 0, 9),
        rules.rank(&job(30, 1), -5, 9)
    );
}

#[test]
fn priority_is_strict_and_fifo_looks_at_age_alone() {
    let (old, urgent) = (job(1, 0), job(2, 5));
    let strict = by(Order::Priority);
    assert!(strict.rank(&urgent, i64::MAX, 9) < strict.rank(&old, 0, 9));
    assert!(strict.rank(&job(2, 4), 0, 9) < strict.rank(&urgent, 0, 9));
    assert!(strict.rank(&job(i64::MAX, 0), 0, 9) < strict.rank(&job(i64::MAX - 1, 0), 0, 9));
    let fifo = by(Order::Fifo);
    assert!(fifo.rank(&old, i64::MAX, 9) < fifo.rank(&urgent, 0, 9));
}

#[test]
fn a_job_idle_for_two_agings_outweighs_two_and_a_half_times_its_priority() {
    let rules = OrderRules::default();
    let idle = |priority, minutes: i64| Standing {
        idle_since_us: Some(-minutes * MINUTE_US),
        ..job(priority, 0)
    };
    // 2.5^1.5 is 3.95, and two doublings are 4.
    assert!((rules.weight(&idle(10, 20), 0) / rules.weight(&job(10, 0), 0) - 4.0).abs() < 1e-9);
    assert!(rules.rank(&idle(10, 20), 0, 0) < rules.rank(&idle(25, 0), 0, 0));
    assert!(rules.rank(&idle(10, 19), 0, 0) > rules.rank(&idle(25, 0), 0, 0));
    for off in [None, Some(Duration::ZERO)] {
        let rules = OrderRules {
            aging: off,
            ..rules
        };
        assert!(rules.rank(&idle(10, 90), 0, 0) > rules.rank(&idle(25, 0), 0, 0));
    }
}

#[test]
fn after_three_agings_a_job_goes_first_whatever_the_priorities() {
    let rules = OrderRules::default();
    let idle = |priority, minutes: i64| Standing {
        idle_since_us: Some(-minutes * MINUTE_US),
        ..job(priority, 0)
    };
    let urgent = rules.rank(&idle(1_000_000, 29), 0, 0);
    assert!(rules.rank(&idle(1, 30), 0, 0) < urgent);
    assert!(rules.rank(&idle(1, 30), 100, 0) > urgent, "it has a core");
}

#[test]
fn a_long_wait_brings_one_core_and_not_the_farm() {
    let waited = Standing {
        idle_since_us: Some(-24 * 60 * MINUTE_US),
        ..job(10, 0)
    };
    let jobs = [job(100, 0), waited];
    // One core first, and then the 3 % of its priority.
    assert_eq!(serve(&OrderRules::default(), &jobs, 1, 0), [0, 100]);
    let held = serve(&OrderRules::default(), &jobs, 100, 0);
    assert!((200..=400).contains(&held[1]), "{held:?}");
}

#[test]
fn with_more_jobs_than_cores_every_job_has_its_turn() {
    let rules = OrderRules::default();
    let mut jobs: Vec<_> = (0..20)
        .map(|n| job(if n == 0 { 1 } else { 100 }, 0))
        .collect();
    for job in &mut jobs {
        job.idle_since_us = Some(0);
    }
    // Each minute one core is free for a minute.
    let served = (1..=300).position(|minute| {
        let now = minute * MINUTE_US;
        let ranks = jobs.iter().enumerate();
        let next = ranks.min_by_key(|(index, job)| (rules.rank(job, 0, now), *index));
        let next = next.unwrap().0;
        jobs[next].idle_since_us = Some(now);
        next == 0
    });
    // Priority 1 against 100 is ten doublings, but nobody waits for much longer than three agings.
    assert!(matches!(served, Some(25..=50)), "{served:?}");
}

#[test]
fn times_in_the_future_are_no_wait() {
    let rules = OrderRules::default();
    let later = Standing {
        priority: 10,
        started_us: 700,
        idle_since_us: Some(700),
    };
    assert_eq!(rules.weight(&later, 600), rules.weight(&job(10, 0), 600));
    assert_eq!(
        rules.rank(&later, 0, 600),
        rules.rank(&job(10, 600), 0, 600)
    );
}

#[test]
fn orders_read_back_as_they_are_printed() {
    for order in Order::ALL {
        assert_eq!(order.to_string().parse(), Ok(order));
    }
    let error = "Share".parse::<Order>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown order \"Share\", expected share, priority or fifo"
    );
}

fn any_number() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3..300i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn any_standing() -> impl Strategy<Value = Standing> {
    let idle = proptest::option::of(any_number());
    (any_number(), any_number(), idle).prop_map(|(priority, started_us, idle_since_us)| Standing {
        priority,
        started_us,
        idle_since_us,
    })
}

fn any_rules() -> impl Strategy<Value = OrderRules> {
    let order = proptest::sample::select(Order::ALL.to_vec());
    let odd = vec![f64::NAN, f64::INFINITY, -1.0, 0.0, 1e6];
    let exponent = prop_oneof![4 => 0.0..4.0, 1 => proptest::sample::select(odd)];
    let aging = proptest::option::of((0..900u64).prop_map(Duration::from_secs));
    (order, exponent, aging).prop_map(|(order, priority_exponent, aging)| OrderRules {
        order,
        priority_exponent,
        aging,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn shares_are_within_one_core_of_the_weights(
        priorities in vec(1..200i64, 1..12), cores in 0..400usize,
    ) {
        let rules = OrderRules::default();
        let jobs: Vec<_> = priorities.into_iter().map(|priority| job(priority, 0)).collect();
        let held = serve(&rules, &jobs, cores, 0);
        let weights: Vec<_> = jobs.iter().map(|job| rules.weight(job, 0)).collect();
        for (ours, weight) in held.iter().zip(&weights) {
            for (theirs, other) in held.iter().zip(&weights) {
                // Nobody has more for its weight than anybody else would have with one core more.
                let (ours, more) = (*ours as f64 / weight, (theirs + 100) as f64 / other);
                prop_assert!(ours <= more + 1e-9, "{held:?} {weights:?}");
            }
        }
        if let ([one, _], [first, second]) = (&held[..], &weights[..]) {
            let quota = cores as f64 * 100.0 * first / (first + second);
            prop_assert!((*one as f64 - quota).abs() <= 100.0 + 1e-6);
        }
    }

    #[test]
    fn ranks_are_a_total_order_of_any_rows(
        rules in any_rules(), jobs in vec((any_standing(), any_number()), 3), now in any_number(),
    ) {
        let ranks: Vec<_> = jobs.iter().map(|(job, cores)| rules.rank(job, *cores, now)).collect();
        for a in &ranks {
            prop_assert!(a == a && f64::from_bits(a.share).is_finite() && f64::from_bits(a.weight.0).is_finite());
            for b in &ranks {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                prop_assert_eq!(a == b, a.cmp(b).is_eq());
                for c in &ranks {
                    prop_assert!(a > b || b > c || a <= c);
                }
            }
        }
    }

    #[test]
    fn more_cores_never_bring_a_job_forward_and_more_priority_never_back(
        rules in any_rules(), job in any_standing(), (few, many) in (any_number(), any_number()),
        priority in any_number(), now in any_number(),
    ) {
        let (few, many) = (few.min(many), few.max(many));
        // All that is at most 0 is no cores.
        prop_assert!(many <= 0 || rules.rank(&job, few, now) <= rules.rank(&job, many, now));
        let higher = Standing { priority: priority.max(job.priority), ..job };
        let falls = rules.priority_exponent < 0.0;
        prop_assert!(falls || rules.rank(&higher, few, now) <= rules.rank(&job, few, now));
    }

    #[test]
    fn weights_are_finite_and_grow_with_the_wait(
        rules in any_rules(), job in any_standing(), (early, late) in (any_number(), any_number()),
    ) {
        let (early, late) = (early.min(late), early.max(late));
        let (before, after) = (rules.weight(&job, early), rules.weight(&job, late));
        prop_assert!((1.0..=HEAVIEST).contains(&before) && before <= after && after.is_finite());
    }
}

proptest! {
    #[test]
    fn a_job_within_a_core_gets_at_most_a_core_ahead_and_only_of_shares(
        (mine, theirs) in (1..=100i64, 1..=100i64), held in 0..2_000i64, other in 0..2_000i64,
    ) {
        let rules = OrderRules::default();
        let (job_of_mine, last) = (job(mine, 0), rules.rank(&job(theirs, 0), other, 9));
        let weight = |priority: i64| (priority as f64).powf(1.5);
        if rules.is_within_a_core(&job_of_mine, held, &last) {
            prop_assert!(held > 0, "a first core is never before its time");
            let after = (held + 100) as f64 / weight(mine);
            let theirs = (other + 100) as f64 / weight(theirs);
            prop_assert!(after <= (theirs + 100.0 / weight(mine)) * 1.000_001);
        } else if held > 0 {
            prop_assert!(rules.rank(&job_of_mine, held, 9) > last, "the next in the order is within a core");
        }
        for strict in [Order::Priority, Order::Fifo] {
            let strict = by(strict);
            let last = strict.rank(&job(theirs, 0), other, 9);
            prop_assert!(!strict.is_within_a_core(&job_of_mine, held, &last));
        }
    }
}
