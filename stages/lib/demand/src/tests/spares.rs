//! Spare layers that hosts of the supply ran lately.

use cue_domain::demand::{WaitingJob, WaitingLayer};
use cue_domain::{Centicores, HostId, JobId, LayerId};
use proptest::prelude::*;

use crate::tests::fixture::{complete, host, index_of, job, layer, pick, row};
use crate::{DemandIndex, Pick};

/// Jobs of one priority that hold these cores, each with one layer, all of which ran on the host `h`.
fn index(cores: &[i64]) -> DemandIndex {
    let jobs = cores.iter().enumerate().map(|(n, cores)| WaitingJob {
        cores: Centicores::cores(*cores),
        ..job(&format!("j{n:02}"), "s", 1)
    });
    let layer = |n: usize| -> WaitingLayer {
        let mut row = row(&format!("j{n:02}"), layer(&format!("l{n:02}"), 1, 50));
        row.running = cores[n];
        row
    };
    let index = index_of(complete(
        jobs.collect(),
        (0..cores.len()).map(layer).collect(),
    ));
    ran(&index, 0..cores.len());
    index
}

fn ran(index: &DemandIndex, jobs: impl IntoIterator<Item = usize>) {
    for n in jobs {
        let (job, layer) = (format!("j{n:02}"), format!("l{n:02}"));
        index.placed([(&HostId::from("h"), &JobId::from(job), &LayerId::from(layer))]);
    }
}

fn equals(pick: &Pick) -> Vec<&str> {
    let equals = pick.layers.iter().filter(|picked| picked.is_equal);
    equals.map(|picked| picked.layer.as_str()).collect()
}

#[test]
fn a_layer_that_the_host_ran_is_a_spare_however_many_come_before_it() {
    let index = index(&[6; 40]);
    ran(&index, [39, 30]);
    let pick = pick(&index, "s", &[host("h", 1)]);
    assert_eq!(pick.layers[0].layer.as_str(), "l00");
    let equals = equals(&pick);
    assert_eq!(equals.len(), pick.layers.len() - 1);
    assert!(equals.contains(&"l39") && equals.contains(&"l30"));
    assert!(pick.layers[1..].iter().all(|picked| picked.is_spare));
}

#[test]
fn a_first_core_has_no_equals() {
    let index = index(&[0, 1, 1]);
    let pick = pick(&index, "s", &[host("h", 1)]);
    assert_eq!(pick.layers[0].layer.as_str(), "l00");
    assert_eq!(equals(&pick), [""; 0]);
}

proptest! {
    #[test]
    fn equals_are_within_a_core_of_the_job_that_is_next(
        cores in proptest::collection::vec(1..6i64, 1..40), last in proptest::collection::vec(0..40usize, 0..20),
    ) {
        let index = index(&cores);
        let jobs = cores.len();
        ran(&index, last.into_iter().filter(|n| *n < jobs));
        let pick = pick(&index, "s", &[host("h", 1)]);
        let least = cores.iter().min().unwrap();
        for picked in &pick.layers {
            let n: usize = picked.layer.as_str()[1..].parse().unwrap();
            if picked.is_spare {
                prop_assert_eq!(picked.is_equal, cores[n] <= least + 1);
            } else {
                prop_assert_eq!(cores[n], *least);
            }
        }
        prop_assert!(pick.layers.len() <= 11, "one that is paid for, eight spares, and two of the host");
    }
}
