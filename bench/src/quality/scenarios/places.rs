//! Places of frames: warm hosts, the share of a layer on a host, pins, tags.

use cue_simfarm::seed::JobSpec;

use super::farms::{hosts, mean};
use crate::quality::farm::Farm;
use crate::quality::measures::{layer_on_host, warm_refills};
use crate::quality::outcome::Outcome;
use crate::quality::timeline::whole;

/// The most frames that a layer may have on a host of 64 cores that others could use.
const SHARE_OF_64: u64 = 16;

/// A hundred layers on 40 hosts.
pub async fn locality() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(40, 16)]), mean(8.0)).await?;
    let job = |n: i32| farm.plain(&format!("job{n:03}"), 50, 1, 60);
    let jobs: anyhow::Result<Vec<_>> = (0..100).map(job).collect();
    farm.submit(&jobs?).await?;
    farm.start(1).await?;
    farm.run(18.0).await;
    let seen = farm.close().await?;
    let (refills, warm) = warm_refills(&seen.timeline, 5.0);
    Ok(seen
        .outcome()
        .at_least("warm refills, %", 100.0 * warm, 90.0)
        .at_least("refills", whole(refills), 300.0))
}

/// A layer of many frames beside layers of equal jobs that could use the same hosts.
pub async fn layer_cap() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(6, 64)]), mean(5.0)).await?;
    let mut jobs = vec![farm.plain("large", 40, 1, 1_500)?];
    for n in 0..4 {
        jobs.push(farm.plain(&format!("other{n}"), 40, 1, 300)?);
    }
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(14.0).await;
    let seen = farm.close().await?;
    let (most, at_cap) = layer_on_host(&seen.timeline, 0, SHARE_OF_64);
    Ok(seen
        .outcome()
        .at_most(
            "most frames of the layer on a host",
            whole(most),
            whole(SHARE_OF_64),
        )
        .at_least("samples with that many", whole(at_cap), 10.0))
}

/// The same layer alone.
pub async fn layer_cap_solo() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(6, 64)]), mean(5.0)).await?;
    let job = farm.plain("alone", 50, 1, 2_000)?;
    farm.submit(&[job]).await?;
    farm.start(1).await?;
    farm.run(10.0).await;
    let seen = farm.close().await?;
    let window = seen.timeline.last(6.0);
    Ok(seen
        .outcome()
        .at_least("used, %", seen.timeline.utilisation(window), 85.0))
}

/// Lists of one, two and several host names, some of them unknown.
pub async fn pin() -> anyhow::Result<Outcome> {
    let lists: [&[usize]; 4] = [&[3], &[5, 6], &[10, 11, 12, 13, 14], &[20]];
    let mut farm = Farm::open(&hosts(&[(40, 8)]), mean(1.5)).await?;
    let name = |host: &usize| format!("sim-host{:05}", host + 1);
    let mut jobs: Vec<JobSpec> = Vec::new();
    for (n, list) in lists.iter().enumerate() {
        let mut job = farm.plain(&format!("pinned{n}"), 50, 1, 60)?;
        let mut names: Vec<String> = list.iter().map(name).collect();
        if n >= 2 {
            names.push("no-such-host".to_owned());
        }
        job.layers[0].tags = names.join(" | ");
        jobs.push(job);
    }
    jobs.push(farm.plain("other", 50, 2, 600)?);
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(14.0).await;
    let seen = farm.close().await?;
    let of = |job: usize| seen.timeline.runs.iter().filter(move |run| run.job == job);
    let off = |job: usize| {
        of(job)
            .filter(|run| !lists[job].contains(&run.host))
            .count() as u64
    };
    let ended = |job: usize| of(job).filter(|run| run.end <= seen.timeline.over).count() as u64;
    Ok(seen
        .outcome()
        .at_most(
            "frames off their list",
            whole((0..lists.len()).map(off).sum()),
            0.0,
        )
        .at_least(
            "least frames of a list",
            whole((0..lists.len()).map(ended).min().unwrap_or(0)),
            10.0,
        ))
}

/// 120 tags, each of two or so hosts, a layer for each.
pub async fn tag_max() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[(240, 4)]);
    spec.host_tags.manual = (0..120).map(|n| format!("tag{n:03}")).collect();
    spec.host_tags.manual_share = 1.0;
    let mut farm = Farm::open(&spec, mean(8.0)).await?;
    let mut jobs = Vec::new();
    for n in 0..12 {
        let mut job = farm.plain(&format!("job{n:02}"), 50, 10, 40)?;
        for (layer, number) in job.layers.iter_mut().zip(n * 10..) {
            layer.tags = format!("tag{number:03}");
        }
        jobs.push(job);
    }
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(14.0).await;
    let lost = farm
        .schedulers
        .first()
        .map_or(f64::NAN, |one| one.wasted_percent());
    let seen = farm.close().await?;
    let groups: std::collections::BTreeSet<usize> =
        seen.timeline.runs.iter().map(|run| run.layer).collect();
    Ok(seen
        .outcome()
        .at_most("hosts tried without a booking, %", lost, 10.0)
        .at_least("tags served", whole(groups.len() as u64), 80.0))
}
