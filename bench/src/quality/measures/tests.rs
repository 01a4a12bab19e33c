//! The measures, with runs written by hand.

use super::*;
use crate::quality::timeline::tests::{run, timeline};

const FOREVER: f64 = f64::INFINITY;

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn rho_is_of_ranks_and_shares_them_among_equals() {
    near(spearman(&[10.0, 20.0, 30.0], &[1.0, 50.0, 51.0]), 1.0);
    near(spearman(&[10.0, 20.0, 30.0], &[3.0, 2.0, 1.0]), -1.0);
    // Ranks 1 2 3 4 against 1.5 1.5 3 4: 4.5 / sqrt(5 * 4.5).
    near(
        spearman(&[1.0, 2.0, 3.0, 4.0], &[0.0, 0.0, 5.0, 9.0]),
        4.5 / 22.5_f64.sqrt(),
    );
    assert!(spearman(&[1.0, 2.0], &[7.0, 7.0]).is_nan());
    assert!(spearman(&[], &[]).is_nan());
}

#[test]
fn a_run_that_ends_when_another_starts_does_not_count_beside_it() {
    let runs = vec![
        run(0, 0, 0.0, 2.0),
        run(0, 0, 2.0, FOREVER),
        run(1, 0, 3.0, 4.0),
    ];
    let timeline = timeline(&[8], runs);
    assert_eq!(peak(&timeline, |run| run.cores), 2);
    assert_eq!(peak(&timeline, |run| u64::from(run.job == 0)), 1);
    assert_eq!(peak(&timeline, |_| 0), 0);
}

#[test]
fn above_a_lowered_cap_nothing_may_start() {
    let caps = [
        Cap {
            since: 0.0,
            cores: 2,
        },
        Cap {
            since: 5.0,
            cores: 1,
        },
    ];
    let mut runs = vec![run(0, 0, 0.0, 9.0), run(0, 0, 1.0, 8.0)];
    let above = |runs: &[Run]| {
        starts_above(&timeline(&[8], runs.to_vec()), &caps, 1.0, |run| {
            run.job == 0
        })
    };
    assert_eq!(above(&runs), 0, "two from before the drop go on");
    runs.push(run(0, 0, 5.5, 5.6));
    assert_eq!(above(&runs), 1, "three are above both caps, grace or not");
    runs[2] = run(0, 0, 8.5, FOREVER);
    assert_eq!(
        above(&runs),
        1,
        "the second beside one is above the new cap"
    );
    runs[2] = run(1, 0, 8.5, FOREVER);
    assert_eq!(above(&runs), 0, "another group");
    runs[2] = run(0, 0, 9.0, FOREVER);
    assert_eq!(above(&runs), 0, "the last one has ended");
}

#[test]
fn within_its_grace_a_cap_does_not_bind_yet() {
    let caps = [
        Cap {
            since: 0.0,
            cores: 2,
        },
        Cap {
            since: 5.0,
            cores: 1,
        },
    ];
    let runs = vec![run(0, 0, 0.0, FOREVER), run(0, 0, 5.5, FOREVER)];
    let above = |grace| starts_above(&timeline(&[8], runs.clone()), &caps, grace, |_| true);
    assert_eq!((above(1.0), above(0.5)), (0, 1));
    let first = &caps[1..];
    assert_eq!(
        starts_above(&timeline(&[8], runs.clone()), first, 1.0, |_| true),
        0,
        "before the first cap there is none"
    );
}

#[test]
fn a_refill_is_warm_where_the_layer_runs() {
    let runs = vec![
        run(0, 0, 0.0, 5.0),
        run(0, 0, 4.0, 9.0), // warm
        run(0, 1, 4.0, 9.0), // another host
        run(1, 0, 4.0, 9.0), // another layer
        run(0, 1, 9.0, 9.5), // the layer has just left
    ];
    let (refills, share) = warm_refills(&timeline(&[4, 4], runs), 1.0);
    assert_eq!(refills, 4);
    near(share, 0.25);
}

#[test]
fn the_right_job_is_among_the_most_important_that_still_wait() {
    near(right_share(&[0, 1, 2], 10, 1), 1.0);
    near(right_share(&[1, 0, 2], 10, 1), 2.0 / 3.0);
    near(right_share(&[1, 0, 2], 10, 2), 1.0);
    near(right_share(&[9, 8, 7], 10, 4), 0.0);
}

#[test]
fn a_wait_ends_with_a_run_and_lasts_to_the_end_without_one() {
    let runs = vec![
        run(0, 0, 2.0, 3.0),
        run(0, 0, 2.5, 6.0),
        run(0, 0, 7.0, 8.0),
    ];
    let timeline = timeline(&[4], runs);
    near(longest_wait(&timeline, 0, (0.0, 9.0)), 2.0);
    near(longest_wait(&timeline, 0, (0.0, 20.0)), 12.0);
    near(longest_wait(&timeline, 1, (1.0, 20.0)), 19.0);
}

#[test]
fn a_layer_is_counted_host_by_host() {
    let runs = vec![
        run(0, 0, 0.0, 2.0),
        run(0, 0, 1.0, 2.0),
        run(0, 1, 1.0, 2.0),
    ];
    let timeline = timeline(&[4, 4], runs);
    assert_eq!(layer_on_host(&timeline, 0, 2), (2, 4));
    assert_eq!(layer_on_host(&timeline, 0, 3), (2, 0));
}

#[test]
fn a_gpu_is_stranded_behind_cpu_work() {
    let mut timeline = timeline(&[4, 4, 4], vec![run(0, 0, 0.0, 5.0), run(0, 1, 0.0, 5.0)]);
    timeline.hosts[0].gpus = 1;
    timeline.hosts[1].gpus = 1;
    timeline.runs[1].gpus = 1;
    // Host 0 has three cores beside its idle GPU, the GPU of host 1 is in use, host 2 has none.
    assert_eq!(stranded_hosts(&timeline, 1.0, 3), 0);
    assert_eq!(stranded_hosts(&timeline, 1.0, 4), 1);
    assert_eq!(stranded_hosts(&timeline, 6.0, 4), 0);
}

#[test]
fn only_a_rise_counts() {
    assert_eq!(rises(&[5, 5, 3, 0, 0]), 0);
    assert_eq!(rises(&[5, 3, 4, 4, 5]), 2);
}
