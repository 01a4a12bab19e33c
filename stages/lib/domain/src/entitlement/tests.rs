//! Divisions against core-by-core service, and the invariants on any numbers.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn claim(size: i64, burst: i64, held: i64, wanted: i64) -> Claim {
    Claim {
        size: Centicores::cores(size),
        burst: Centicores::cores(burst),
        held: Centicores::cores(held),
        wanted: Centicores::cores(wanted),
    }
}

fn whole_cores(idle: i64, claims: &[Claim]) -> Vec<i64> {
    let shares = divide(Centicores::cores(idle), claims).into_iter();
    shares.map(|share| share.0 / 100).collect()
}

/// The definition: one core after the other to the lowest tier.
fn core_by_core(idle: i64, claims: &[Claim]) -> Vec<i64> {
    let mut given = vec![0; claims.len()];
    let mut left = idle;
    while left > 0 {
        let mut lowest: Option<(f64, usize, i64)> = None;
        for (index, claim) in claims.iter().enumerate() {
            let cores = claim.held.0 + given[index];
            let room = (claim.wanted.0 - given[index]).min(claim.burst.0 - cores);
            let tier = match claim.size.0 {
                0 => cores as f64 / 100.0 + 1.0,
                size if cores == 0 => -(size as f64),
                size => cores as f64 / size as f64,
            };
            if room > 0 && lowest.is_none_or(|(least, ..)| tier < least) {
                lowest = Some((tier, index, room));
            }
        }
        let Some((_, index, room)) = lowest else {
            break;
        };
        let amount = room.min(100).min(left);
        given[index] += amount;
        left -= amount;
    }
    given
}

#[test]
fn idle_cores_follow_the_sizes() {
    let claims = [claim(160, 640, 0, 640), claim(480, 640, 0, 640)];
    assert_eq!(whole_cores(640, &claims), [160, 480]);
    // A show that is ahead waits until the others have reached its tier.
    let claims = [claim(160, 640, 160, 640), claim(480, 640, 0, 640)];
    assert_eq!(whole_cores(480, &claims), [0, 480]);
}

#[test]
fn a_show_without_cores_comes_first_and_the_largest_of_them_before_the_others() {
    let claims = [
        claim(10, 99, 0, 9),
        claim(50, 99, 0, 9),
        claim(1000, 999, 1, 9),
    ];
    assert_eq!(whole_cores(1, &claims), [0, 1, 0]);
    assert_eq!(whole_cores(2, &claims), [1, 1, 0]);
    assert_eq!(whole_cores(3, &claims), [1, 1, 1]);
}

#[test]
fn a_show_without_a_size_is_served_beyond_the_sizes_of_the_others() {
    let claims = [claim(0, 99, 0, 99), claim(10, 99, 0, 99)];
    assert_eq!(whole_cores(9, &claims), [0, 9]);
    assert_eq!(whole_cores(10, &claims), [0, 10]);
    assert_eq!(whole_cores(21, &claims), [1, 20]);
}

#[test]
fn bursts_bind_and_a_burst_of_zero_freezes() {
    let claims = [
        claim(10, 5, 2, 99),
        claim(10, 0, 0, 99),
        claim(10, 99, 0, 4),
    ];
    assert_eq!(whole_cores(100, &claims), [3, 0, 4]);
    // Cores beyond a lowered burst give nothing back.
    assert_eq!(whole_cores(100, &[claim(10, 5, 9, 99)]), [0]);
}

#[test]
fn equal_shows_share_alike() {
    assert_eq!(whole_cores(8, &[claim(10, 99, 0, 99); 3]), [3, 3, 2]);
    assert_eq!(whole_cores(8, &[claim(0, 99, 4, 99); 3]), [3, 3, 2]);
    assert_eq!(whole_cores(8, &[]), [0_i64; 0]);
}

#[test]
fn a_hundred_shows_share_57_000_cores_as_core_by_core_service_does() {
    let claims: Vec<_> = (0..100)
        .map(|n| claim(n * 11 % 700, 57_000, n % 3, 57_000))
        .collect();
    let shares = divide(Centicores(5_700_000), &claims);
    assert_eq!(shares.iter().map(|share| share.0).sum::<i64>(), 5_700_000);
    let model = core_by_core(5_700_000, &claims);
    let mut pairs = shares.iter().zip(&model);
    assert!(pairs.all(|(share, model)| (share.0 - model).abs() <= 100));
}

fn small_claim() -> impl Strategy<Value = Claim> {
    let size = prop_oneof![1 => Just(0), 4 => 1..6_000i64];
    let held = prop_oneof![1 => Just(0), 2 => 0..3_000i64];
    (size, 0..6_000i64, held, 0..6_000i64).prop_map(|(size, burst, held, wanted)| Claim {
        size: Centicores(size),
        burst: Centicores(burst),
        held: Centicores(held),
        wanted: Centicores(wanted),
    })
}

fn any_amount() -> impl Strategy<Value = Centicores> {
    let number = prop_oneof![
        4 => -200..6_000_000i64,
        1 => any::<i64>(),
        1 => proptest::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX - 1, i64::MAX]),
    ];
    number.prop_map(Centicores)
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let amounts = (any_amount(), any_amount(), any_amount(), any_amount());
    amounts.prop_map(|(size, burst, held, wanted)| Claim {
        size,
        burst,
        held,
        wanted,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn divisions_are_those_of_core_by_core_service(
        idle in 0..30_000i64, claims in vec(small_claim(), 0..8),
    ) {
        let shares = divide(Centicores(idle), &claims);
        let model = core_by_core(idle, &claims);
        let sums = (shares.iter().map(|share| share.0).sum::<i64>(), model.iter().sum());
        prop_assert_eq!(sums.0, sums.1);
        for (share, model) in shares.iter().zip(&model) {
            prop_assert!((share.0 - model).abs() <= 100, "{shares:?} {model:?}");
        }
    }

    #[test]
    fn nothing_is_exceeded_and_nothing_usable_is_left_over(
        idle in any_amount(), claims in vec(any_claim(), 0..12),
    ) {
        let shares = divide(idle, &claims);
        let wide = |amount: Centicores| i128::from(amount.0);
        let given: i128 = shares.iter().copied().map(wide).sum();
        prop_assert!(given <= wide(idle).max(0));
        prop_assert_eq!(shares.len(), claims.len());
        let mut full = true;
        for (claim, share) in claims.iter().zip(&shares) {
            let under_burst = wide(claim.burst).max(0) - wide(claim.held).max(0);
            let room = under_burst.min(wide(claim.wanted)).max(0);
            prop_assert!(wide(*share) >= 0 && wide(*share) <= room);
            full &= wide(*share) == room;
        }
        prop_assert!(full || given == wide(idle).max(0), "{given} of {idle}: {shares:?}");
    }

    #[test]
    fn nobody_gains_a_core_whose_tier_was_above_that_of_a_show_with_room(
        idle in 0..6_000_000i64, claims in vec(small_claim(), 2..8), factor in 1..1_000i64,
    ) {
        let claims: Vec<_> = claims.into_iter().map(|claim| Claim {
            size: Centicores(claim.size.0 * factor),
            burst: Centicores(claim.burst.0 * factor),
            held: Centicores(claim.held.0 * factor),
            wanted: Centicores(claim.wanted.0 * factor),
        }).collect();
        let shares = divide(Centicores(idle), &claims);
        let cores = |n: usize, less: i64| Centicores(claims[n].held.0 + shares[n].0 - less);
        for gainer in (0..claims.len()).filter(|n| shares[*n].0 > 100) {
            // Less its last core, and one more for rounding.
            let before = tier(claims[gainer].size, cores(gainer, 100));
            for other in 0..claims.len() {
                let room = shares[other] < claims[other].wanted && cores(other, 0) < claims[other].burst;
                let level = tier(claims[other].size, cores(other, 0));
                prop_assert!(!room || before <= level + 1e-9, "{gainer} {other}: {shares:?}");
            }
        }
    }
}
