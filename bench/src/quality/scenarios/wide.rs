//! Frames too large for what a full farm has idle.

use cue_simfarm::seed::JobSpec;

use super::farms::{between, hosts};
use crate::quality::farm::{Farm, Seen};
use crate::quality::outcome::Outcome;

/// The shortest and the longest frame that a wide one must wait for, seconds. A host has drained after
/// the longest.
const SMALL: (f64, f64) = (8.0, 16.0);

/// Time for which a layer must be blocked before hosts are reserved for it, seconds.
const BLOCKED: f64 = 2.0;

/// 64-core jobs that arrive on a farm full of small frames.
pub async fn reservations() -> anyhow::Result<Outcome> {
    play(&[(2, 128), (3, 32), (8, 16)], 4, |job| {
        for layer in &mut job.layers {
            layer.cores_min = 6_400;
            layer.cores_max = 6_400;
        }
    })
    .await
}

/// Jobs that ask for whole hosts.
pub async fn whole_hosts() -> anyhow::Result<Outcome> {
    play(&[(20, 32)], 5, |job| {
        job.layers.iter_mut().for_each(|layer| layer.cores_min = 0)
    })
    .await
}

async fn play(
    classes: &[(usize, i64)],
    wide: usize,
    widen: impl Fn(&mut JobSpec),
) -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(classes), between(SMALL.0, SMALL.1)).await?;
    farm.policy
        .push(("CUE_RESERVE_AFTER", format!("{BLOCKED}s")));
    let mut small = Vec::new();
    for n in 0..4 {
        small.push(farm.plain(&format!("small{n}"), 100, 1, 800)?);
    }
    // Frames that end before a reserved host is ready, so that its cores need not be idle until then.
    let mut short = farm.plain("short", 20, 1, 2_500)?;
    short.layers[0].runs_for(between(0.5, 1.0));
    small.push(short);
    farm.submit(&small).await?;
    farm.start(1).await?;
    farm.run(6.0).await;
    let mut submitted = Vec::new();
    for n in 0..wide {
        let mut job = farm.plain(&format!("wide{n}"), 100, 1, 1)?;
        job.layers[0].threadable = true;
        job.layers[0].runs_for(between(2.0, 3.0));
        widen(&mut job);
        let (number, _) = farm.submit(&[job]).await?;
        submitted.push((number, farm.now()));
        farm.run(1.0).await;
    }
    let within = 2.0 * SMALL.1 + BLOCKED;
    farm.run(within).await;
    Ok(judge(&farm.close().await?, &submitted, within))
}

/// Judges the starts of the wide jobs, given by number and time of submission.
fn judge(seen: &Seen, submitted: &[(usize, f64)], within: f64) -> Outcome {
    let started = |job| seen.timeline.runs.iter().find(|run| run.job == job);
    let wait =
        |&(job, since): &(usize, f64)| started(job).map_or(f64::INFINITY, |run| run.start - since);
    let waits: Vec<f64> = submitted.iter().map(wait).collect();
    let missing = waits.iter().filter(|wait| wait.is_infinite()).count();
    let began = submitted.first().map_or(0.0, |(_, since)| *since);
    let last = submitted
        .iter()
        .zip(&waits)
        .map(|((_, since), wait)| since + wait);
    let over = last.fold(began, f64::max).min(seen.timeline.over);
    let narrowest = submitted
        .iter()
        .filter_map(|(job, _)| started(*job))
        .map(|run| run.cores)
        .min();
    let mut outcome = seen
        .outcome()
        .at_most(
            "wide jobs without a start",
            crate::stats::count(missing as u64),
            0.0,
        )
        .at_most(
            "slowest start, s",
            waits.iter().copied().fold(0.0, f64::max),
            within,
        )
        .at_least(
            "used meanwhile, %",
            seen.timeline.utilisation((began, over)),
            95.0,
        );
    if let Some(cores) = narrowest {
        outcome = outcome.at_least("cores of a wide frame", crate::stats::count(cores), 32.0);
    }
    outcome
}
