//! GPUs behind CPU work, and cores that follow memory.

use cue_domain::Kib;
use cue_simfarm::seed::HostClass;

use super::farms::{hosts, mean};
use crate::quality::farm::Farm;
use crate::quality::measures::{peak, rises, stranded_hosts};
use crate::quality::outcome::Outcome;
use crate::quality::timeline::{Timeline, whole};

const GIB: i64 = 1_048_576;

/// Cores that a GPU frame needs.
const BESIDE_A_GPU: u64 = 4;

/// A flood of CPU work on GPU hosts, then GPU work.
pub async fn gpu_strand() -> anyhow::Result<Outcome> {
    const FRAMES: i64 = 200;
    const GRACE: f64 = 6.0;
    let mut spec = hosts(&[(10, 32)]);
    for class in &mut spec.hosts {
        (class.gpus, class.gpu_memory_gib) = (4, 48);
    }
    let mut farm = Farm::open(&spec, mean(4.0)).await?;
    let mut flood = Vec::new();
    for n in 0..3 {
        flood.push(farm.plain(&format!("flood{n}"), 50, 1, 1_000)?);
    }
    farm.submit(&flood).await?;
    farm.start(1).await?;
    farm.run(5.0).await;
    let mut job = farm.plain("gpu", 50, 1, FRAMES)?;
    let layer = &mut job.layers[0];
    (layer.cores_min, layer.cores_max, layer.threadable) = (400, 400, true);
    (layer.gpus_min, layer.gpu_mem_min, layer.mem_min) = (1, GIB, 2 * GIB);
    layer.runs_for(mean(6.0));
    let (gpu, _) = farm.submit(&[job]).await?;
    let since = farm.now();
    farm.run(22.0).await;
    let seen = farm.close().await?;
    let starts: Vec<f64> = seen
        .timeline
        .runs
        .iter()
        .filter(|run| run.job == gpu)
        .map(|run| run.start)
        .collect();
    // The grace is over, and until the last of them starts GPU frames wait.
    let all = starts.len() == usize::try_from(FRAMES)?;
    let until = starts
        .last()
        .filter(|_| all)
        .copied()
        .unwrap_or(seen.timeline.over);
    let stranded: Vec<u64> = Timeline::samples((since + GRACE, until))
        .map(|time| stranded_hosts(&seen.timeline, time, BESIDE_A_GPU))
        .collect();
    let least = stranded
        .iter()
        .min()
        .map_or(f64::NAN, |least| whole(*least));
    Ok(seen
        .outcome()
        .at_least("GPU frames started", whole(starts.len() as u64), 1.0)
        .at_most("least hosts with stranded GPUs", least, 0.0)
        .at_most(
            "times that more were stranded",
            whole(rises(&stranded)),
            0.0,
        )
        .at_least(
            "used, %",
            seen.timeline.utilisation((since, seen.timeline.over)),
            85.0,
        ))
}

/// Layers that ask for 2 GiB a frame and use 18, on hosts with 3.7 GiB a core.
pub async fn strand_grow() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[]);
    spec.hosts.push(HostClass {
        count: 10,
        cores: 32,
        memory_gib: 119,
        ..HostClass::default()
    });
    let mut farm = Farm::open(&spec, mean(2.0)).await?;
    let mut jobs = Vec::new();
    for n in 0..5 {
        let mut job = farm.plain(&format!("job{n}"), 50, 1, 500)?;
        let layer = &mut job.layers[0];
        (layer.threadable, layer.mem_min) = (true, 2 * GIB);
        layer.uses(Kib(18 * GIB));
        jobs.push(job);
    }
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(18.0).await;
    let seen = farm.close().await?;
    let runs = &seen.timeline.runs;
    let narrow = runs.iter().filter(|run| run.cores == 1).count() as u64;
    let last = &runs[runs.len().saturating_sub(50)..];
    let grown = last.iter().filter(|run| run.cores == 5).count() as u64;
    let most = whole(peak(&seen.timeline, |run| run.cores));
    Ok(seen
        .outcome()
        .at_most("frames of one core", whole(narrow), 40.0)
        .at_least(
            "of the last 50 with five cores, %",
            100.0 * whole(grown) / 50.0,
            80.0,
        )
        .at_least(
            "most used, %",
            100.0 * most / whole(seen.timeline.cores()),
            60.0,
        ))
}
