//! Shares of jobs and of shows.

use cue_simfarm::seed::JobSpec;

use super::farms::{hosts, mean};
use crate::quality::farm::{Farm, Seen};
use crate::quality::measures::{longest_wait, peak, spearman};
use crate::quality::outcome::Outcome;
use crate::quality::timeline::whole;

/// Jobs of the priorities 10, 20 and so on, each with as many layers of as many frames.
fn jobs_by_priority(
    farm: &Farm,
    jobs: i32,
    layers: usize,
    frames: i64,
) -> anyhow::Result<Vec<JobSpec>> {
    let job = |n| farm.plain(&format!("job{n:03}"), n * 10, layers, frames);
    (1..=jobs).map(job).collect()
}

/// The priorities of these jobs as numbers.
fn priorities_of(jobs: usize) -> Vec<f64> {
    (1..=jobs).map(|n| 10.0 * whole(n as u64)).collect()
}

/// Cores held by each of ten jobs in the last `seconds`.
fn held_by_ten(seen: &Seen, seconds: f64) -> Vec<f64> {
    seen.timeline.cores_by_job(seen.timeline.last(seconds), 10)
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Ten jobs of one layer, a farm nine times oversubscribed.
pub async fn priority() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(10, 32)]), mean(8.0)).await?;
    let jobs = jobs_by_priority(&farm, 10, 1, 9 * 32 + 200)?;
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(20.0).await;
    let seen = farm.close().await?;
    let held = held_by_ten(&seen, 12.0);
    Ok(seen
        .outcome()
        .at_least("rho", spearman(&held, &priorities_of(10)), 0.98)
        .at_least("top above bottom, cores", held[9] - held[0], 1.0))
}

/// Ten priorities, ten layers a job, 640 cores, 40 ends a second.
pub async fn priorities() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(20, 32)]), mean(16.0)).await?;
    let jobs = jobs_by_priority(&farm, 10, 10, 150)?;
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(28.0).await;
    let seen = farm.close().await?;
    let held = held_by_ten(&seen, 14.0);
    Ok(seen
        .outcome()
        .at_least("rho", spearman(&held, &priorities_of(10)), 0.98)
        .at_least("cores of 640 in use", held.iter().sum(), 630.0)
        .at_least("least share, cores", least(&held), 1.0))
}

/// Priority 300 against 100.
pub async fn priority_starving() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(10, 32)]), mean(5.0)).await?;
    let jobs = [
        farm.plain("high", 300, 2, 1_500)?,
        farm.plain("low", 100, 2, 1_500)?,
    ];
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(16.0).await;
    let seen = farm.close().await?;
    // The first fill of the farm is left out: the one that waits could live on it.
    let (from, _) = seen.timeline.last(8.0);
    let started = |job| {
        let runs = seen.timeline.runs.iter();
        let started = runs.filter(|run| run.job == job && run.start >= from);
        whole(started.count() as u64)
    };
    let share = 100.0 * started(1) / (started(0) + started(1)).max(1.0);
    Ok(seen
        .outcome()
        .at_least("launches of the low one, %", share, 3.0))
}

/// Two shows of sizes 160 and 480 on 640 cores, equal work; half way they change places.
pub async fn show_tier() -> anyhow::Result<Outcome> {
    const BURST: u64 = 600;
    const SIZES: [u64; 2] = [160, 480];
    let mut spec = hosts(&[(20, 32)]);
    spec.shows = 2;
    spec.subscription.burst = 600;
    let mut farm = Farm::open(&spec, mean(6.0)).await?;
    let mut jobs = Vec::new();
    for show in 0..2 {
        for n in 0..4 {
            let mut job = farm.job(show, &format!("job{n}"), 50)?;
            job.layers = (0..2)
                .map(|n| farm.layer(&format!("layer{n}"), 600))
                .collect();
            jobs.push(job);
        }
    }
    farm.submit(&jobs).await?;
    set_sizes(&farm, SIZES).await?;
    farm.start(1).await?;
    farm.run(12.0).await;
    let changed = farm.now();
    set_sizes(&farm, [SIZES[1], SIZES[0]]).await?;
    farm.run(18.0).await;
    let seen = farm.close().await?;
    let of_show = |job: usize| job / 4;
    let held = |window, show| {
        let timeline = &seen.timeline;
        timeline.mean_cores(window, |run| of_show(run.job) == show)
    };
    let (before, after) = ((5.0, changed), seen.timeline.last(7.0));
    // The small show before the change is the large one after it.
    let apart = |window, small, large| {
        let small: f64 = held(window, small) / whole(SIZES[0]);
        (small - held(window, large) / whole(SIZES[1])).abs()
    };
    let most = |show| {
        peak(&seen.timeline, |run| {
            run.cores * u64::from(of_show(run.job) == show)
        })
    };
    Ok(seen
        .outcome()
        .at_most("tiers apart", apart(before, 0, 1), 0.10)
        .at_most("apart after the sizes changed", apart(after, 1, 0), 0.10)
        .also("cores of the first show", held(before, 0))
        .also("after", held(after, 0))
        .at_most(
            "most cores of a show",
            whole(most(0).max(most(1))),
            whole(BURST),
        )
        .at_least("used, %", seen.timeline.utilisation(after), 85.0))
}

/// Sets the size of each show's subscription, in whole cores.
async fn set_sizes(farm: &Farm, sizes: [u64; 2]) -> anyhow::Result<()> {
    for (show, size) in farm.seeded.shows.iter().zip(sizes) {
        sqlx::query("UPDATE subscription SET int_size = $2 WHERE pk_show = $1")
            .bind(&show.id)
            .bind(i64::try_from(size * 100)?)
            .execute(&farm.db.pool)
            .await?;
    }
    Ok(())
}

/// A job of one layer beside a job of fifty layers, equal frames and priorities.
pub async fn solo_fill() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(10, 32)]), mean(5.0)).await?;
    let jobs = [
        farm.plain("one", 50, 1, 2_000)?,
        farm.plain("fifty", 50, 50, 40)?,
    ];
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(20.0).await;
    let seen = farm.close().await?;
    let held = seen.timeline.cores_by_job(seen.timeline.last(5.0), 2);
    let ratio = (held[0].min(held[1])) / held[0].max(held[1]).max(1.0);
    Ok(seen
        .outcome()
        .at_least("running, the lesser to the greater", ratio, 0.5)
        .also("cores of the one layer", held[0])
        .also("of the fifty", held[1]))
}

/// Twice as many jobs as cores, the setting that ages them at 5 s.
pub async fn no_starving() -> anyhow::Result<Outcome> {
    const AGING: f64 = 5.0;
    const JOBS: usize = 128;
    let mut farm = Farm::open(&hosts(&[(4, 16)]), mean(1.5)).await?;
    farm.policy.push(("CUE_AGING", format!("{AGING}s")));
    let job = |n: i32| farm.plain(&format!("job{n:03}"), (n % 10 + 1) * 10, 1, 150);
    let jobs: anyhow::Result<Vec<_>> = (0..128).map(job).collect();
    farm.submit(&jobs?).await?;
    farm.start(1).await?;
    farm.run(36.0).await;
    let seen = farm.close().await?;
    // A job of which every frame was launched waits for nothing.
    let waiting = |job: &usize| {
        seen.timeline
            .runs
            .iter()
            .filter(|run| run.job == *job)
            .count()
            < 150
    };
    let waits: Vec<f64> = (0..JOBS)
        .filter(waiting)
        .map(|job| longest_wait(&seen.timeline, job, (0.0, seen.timeline.over)))
        .collect();
    let starved = waits.iter().filter(|wait| **wait > 4.0 * AGING).count() as u64;
    Ok(seen
        .outcome()
        .at_most(
            "longest wait for a core, s",
            waits.iter().copied().fold(0.0, f64::max),
            4.0 * AGING,
        )
        .also("jobs that waited longer", whole(starved)))
}

/// Two priorities, each with a job that asks for the allocation and one that asks for a manual tag of the
/// same hosts.
pub async fn tag_kinds() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[(10, 32)]);
    spec.host_tags.manual = vec!["fast".to_owned()];
    spec.host_tags.manual_share = 1.0;
    let mut farm = Farm::open(&spec, mean(4.0)).await?;
    let mut jobs = Vec::new();
    for (name, priority) in [("high", 100), ("low", 10)] {
        for tag in ["allocation", "manual"] {
            let mut job = farm.plain(&format!("{name}-{tag}"), priority, 2, 700)?;
            if tag == "manual" {
                let layers = job.layers.iter_mut();
                layers.for_each(|layer| "fast".clone_into(&mut layer.tags));
            }
            jobs.push(job);
        }
    }
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(16.0).await;
    let seen = farm.close().await?;
    let held = seen.timeline.cores_by_job(seen.timeline.last(6.0), 4);
    let all: f64 = held.iter().sum();
    let kinds = held[0].min(held[1]) / held[0].max(held[1]).max(1.0);
    Ok(seen
        .outcome()
        .at_least(
            "cores of the high ones, %",
            100.0 * (held[0] + held[1]) / all.max(1.0),
            90.0,
        )
        .at_least("of them, the lesser to the greater", kinds, 0.8))
}

/// One replica and three on equal farms.
pub async fn replicas() -> anyhow::Result<Outcome> {
    let mut shares = Vec::new();
    let mut outcome = Outcome::default();
    for replicas in [1, 3] {
        let mut farm = Farm::open(&hosts(&[(10, 32)]), mean(6.0)).await?;
        let jobs = jobs_by_priority(&farm, 10, 4, 200)?;
        farm.submit(&jobs).await?;
        farm.start(replicas).await?;
        farm.run(15.0).await;
        let seen = farm.close().await?;
        let held = held_by_ten(&seen, 9.0);
        let all: f64 = held.iter().sum();
        shares.push(
            held.iter()
                .map(|held| 100.0 * held / all.max(1.0))
                .collect::<Vec<_>>(),
        );
        let figures = outcome.figures;
        outcome = seen.outcome();
        outcome.figures.splice(0..0, figures);
        outcome = outcome.also(&format!("cores of 320 in use, replicas {replicas}:"), all);
    }
    let apart = shares[0]
        .iter()
        .zip(&shares[1])
        .map(|(one, three)| (one - three).abs());
    Ok(outcome.at_most("shares apart, points", apart.fold(0.0, f64::max), 5.0))
}
