//! Farms and run times that scenarios share.

use std::time::Duration;

use cue_simfarm::rqd::FrameDuration;
use cue_simfarm::seed::{FarmSpec, HostClass, Span};

/// A farm of one show and one allocation without jobs: hosts by number, cores and 4 GiB a core.
pub(super) fn hosts(classes: &[(usize, i64)]) -> FarmSpec {
    let class = |&(count, cores): &(usize, i64)| HostClass {
        count,
        cores,
        memory_gib: 4 * cores,
        ..HostClass::default()
    };
    let mut spec = FarmSpec {
        shows: 1,
        allocations: 1,
        hosts: classes.iter().map(class).collect(),
        limits: Vec::new(),
        ..FarmSpec::default()
    };
    spec.host_tags.manual_share = 0.0;
    spec.host_tags.hardware_share = 0.0;
    spec.subscription.size = 1_000;
    spec.subscription.burst = 1_000_000;
    spec.jobs.per_show = Span::exactly(0);
    spec
}

/// Mostly short runs and sometimes long ones: at any moment each frame is as likely to end as another.
pub(super) fn mean(seconds: f64) -> FrameDuration {
    let mean = Duration::from_secs_f64(seconds);
    FrameDuration::Exponential {
        mean,
        max: 6 * mean,
    }
}

/// Runs of anything between two times.
pub(super) fn between(short: f64, long: f64) -> FrameDuration {
    FrameDuration::Uniform(
        Duration::from_secs_f64(short),
        Duration::from_secs_f64(long),
    )
}
