//! How much of what a query found one turn takes on.

use cue_domain::Depth;
use cue_store::{PendingJob, PendingLayers};

/// The first jobs of `found`, at least one, up to the one that brings the waiting frames to `budget`;
/// and how much was looked at if there may be more behind.
pub(crate) fn within(found: PendingLayers, budget: u64) -> (Vec<PendingJob>, Option<Depth>) {
    let PendingLayers {
        mut jobs,
        cut_after,
    } = found;
    let mut frames = 0u64;
    let enough = jobs.iter().position(|job| {
        frames = frames.saturating_add(waiting(job));
        frames >= budget
    });
    match enough.map(|last| last + 1) {
        Some(taken) if taken < jobs.len() => {
            jobs.truncate(taken);
            let seen = Depth::of_jobs(u32::try_from(taken).unwrap_or(u32::MAX));
            (jobs, Some(seen))
        }
        _ => (jobs, cut_after),
    }
}

fn waiting(job: &PendingJob) -> u64 {
    let frames = job
        .layers
        .iter()
        .map(|layer| u64::try_from(layer.waiting).unwrap_or(0));
    frames.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cue_domain::{Centicores, Job, Kib, Layer};

    use super::*;

    fn job(waiting: i64) -> PendingJob {
        let layer = Layer {
            id: "l".into(),
            name: "l".into(),
            dispatch_order: 1,
            cores_min: Centicores::CORE,
            cores_max: None,
            memory_min: Kib::GIB,
            gpus_min: 0,
            gpu_memory_min: Kib(0),
            threadable: false,
            services: Arc::from([]),
            tags: Arc::from([]),
            waiting,
        };
        let job = Job {
            id: "j".into(),
            name: "j".into(),
            show: "s".into(),
            facility: "f".into(),
            folder: "o".into(),
            dept: "d".into(),
            priority: 1,
            os: None,
            headroom: cue_domain::job::Headroom::default(),
        };
        PendingJob {
            job: Arc::new(job),
            layers: vec![layer],
        }
    }

    fn shared(waiting: &[i64], cut_after: Option<u32>, budget: u64) -> (usize, Option<u32>) {
        let cut_after = cut_after.map(Depth::of_jobs);
        let jobs = waiting.iter().map(|frames| job(*frames)).collect();
        let (jobs, seen) = within(PendingLayers { jobs, cut_after }, budget);
        (jobs.len(), seen.map(|seen| seen.jobs))
    }

    #[test]
    fn a_turn_takes_jobs_until_it_has_frames_enough() {
        assert_eq!(shared(&[10, 10, 10], None, 15), (2, Some(2)));
        assert_eq!(shared(&[100, 10], None, 15), (1, Some(1)));
        assert_eq!(shared(&[10, 10], None, 15), (2, None));
        assert_eq!(shared(&[10, 10], None, u64::MAX), (2, None));
    }

    #[test]
    fn what_the_query_cut_off_stays_cut_off() {
        assert_eq!(shared(&[10, 10], Some(2), 1_000), (2, Some(2)));
        assert_eq!(shared(&[10, 10], Some(2), 5), (1, Some(1)));
        assert_eq!(shared(&[-5], None, 5), (1, None));
        // Of a job with more layers than a turn looks at, only those are behind.
        let seen = Depth { jobs: 0, layers: 1 };
        let found = PendingLayers {
            jobs: vec![job(10)],
            cut_after: Some(seen),
        };
        assert_eq!(within(found, 5).1, Some(seen));
    }
}
