//! Caps of limits, folders, jobs and subscriptions, and caps that change under way.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, JobId, ShowId};
use cue_simfarm::foreign;
use cue_simfarm::seed::{Launched, LimitSpec};

use super::farms::{hosts, mean};
use crate::quality::farm::Farm;
use crate::quality::measures::{Cap, peak, starts_above};
use crate::quality::outcome::Outcome;
use crate::quality::timeline::whole;

/// The farm of the scenarios about caps: 672 cores.
pub const CORES_672: [(usize, i64); 2] = [(12, 32), (18, 16)];

/// Time after a change in which launches of earlier bookings may arrive, seconds.
pub const GRACE: f64 = 1.0;

/// A limit of 50 running frames, other work beside it.
pub async fn limit() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&CORES_672);
    spec.limits.push(LimitSpec {
        name: "renderer".to_owned(),
        max: 50,
        share: 0.0,
    });
    let mut farm = Farm::open(&spec, mean(4.0)).await?;
    let limit = "SELECT pk_limit_record FROM limit_record WHERE str_name = 'renderer'";
    let limit: String = sqlx::query_scalar(limit).fetch_one(&farm.db.pool).await?;
    let mut jobs = Vec::new();
    for n in 0..3 {
        let mut job = farm.plain(&format!("limited{n}"), 80, 2, 200)?;
        job.layers
            .iter_mut()
            .for_each(|layer| layer.limits.push(limit.clone()));
        jobs.push(job);
    }
    jobs.push(farm.plain("other", 20, 2, 1_500)?);
    farm.submit(&jobs).await?;
    farm.watch_caps();
    farm.start(1).await?;
    farm.run(14.0).await;
    let seen = farm.close().await?;
    let limited = |job: usize| job < 3;
    let most = peak(&seen.timeline, |run| u64::from(limited(run.job)));
    let window = seen.timeline.last(8.0);
    Ok(seen
        .outcome()
        .at_most("most running", whole(most), 50.0)
        .at_least(
            "running, mean",
            seen.timeline.mean_cores(window, |run| limited(run.job)),
            40.0,
        ))
}

/// A folder of 50 cores, other work beside it.
pub async fn folder() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&CORES_672);
    spec.folders.per_show = 1;
    spec.folders.max_cores = 50;
    let mut farm = Farm::open(&spec, mean(4.0)).await?;
    let folder = folder_of(&farm).await?;
    let mut jobs = Vec::new();
    for n in 0..3 {
        let mut job = farm.plain(&format!("inside{n}"), 80, 2, 200)?;
        job.place.folder.clone_from(&folder);
        jobs.push(job);
    }
    jobs.push(farm.plain("other", 20, 2, 1_500)?);
    farm.submit(&jobs).await?;
    farm.watch_caps();
    farm.start(1).await?;
    farm.run(14.0).await;
    let seen = farm.close().await?;
    let inside = |job: usize| job < 3;
    let most = peak(&seen.timeline, |run| run.cores * u64::from(inside(run.job)));
    let window = seen.timeline.last(8.0);
    Ok(seen
        .outcome()
        .at_most("most cores", whole(most), 50.0)
        .at_least(
            "cores, mean",
            seen.timeline.mean_cores(window, |run| inside(run.job)),
            40.0,
        ))
}

/// The folder with jobs of the first show.
pub async fn folder_of(farm: &Farm) -> anyhow::Result<String> {
    let folder = "SELECT pk_folder FROM folder WHERE str_name = 'folder01' LIMIT 1";
    Ok(sqlx::query_scalar(folder).fetch_one(&farm.db.pool).await?)
}

/// The cap of a job and the burst of a show, lowered to 30 % of their use.
pub async fn cap_drop() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[(10, 32)]);
    spec.shows = 2;
    let mut farm = Farm::open(&spec, mean(4.0)).await?;
    let mut jobs = Vec::new();
    for show in 0..2 {
        let mut job = farm.job(show, "job", 50)?;
        job.layers = (0..2)
            .map(|n| farm.layer(&format!("layer{n}"), 800))
            .collect();
        jobs.push(job);
    }
    let (_, launched) = farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(7.0).await;
    let (used, caps) = lower_caps(&farm, &launched).await?;
    let since = farm.now();
    for _ in 0..4 {
        farm.run(3.0).await;
        farm.audit_counters().await?;
    }
    let seen = farm.close().await?;
    let cap = |job: usize| Cap {
        since,
        cores: caps[job].unsigned_abs() / 100,
    };
    let above = |job: usize| starts_above(&seen.timeline, &[cap(job)], GRACE, |run| run.job == job);
    let last = seen.timeline.over - 0.1;
    let held = |job: usize| {
        seen.timeline
            .mean_cores((last, seen.timeline.over), |run| run.job == job)
    };
    let excess = |job: usize| (held(job) - whole(cap(job).cores)).max(0.0);
    Ok(seen
        .outcome()
        .at_most(
            "launches above a lowered cap",
            whole(above(0) + above(1)),
            0.0,
        )
        .at_most(
            "cores above the caps in the end",
            excess(0) + excess(1),
            0.0,
        )
        .at_most(
            "counters that differ from the procs",
            whole(seen.counter_findings),
            0.0,
        )
        .also(
            "cores before",
            whole(used.iter().sum::<i64>().unsigned_abs() / 100),
        )
        .also("caps", whole(cap(0).cores + cap(1).cores)))
}

/// Lowers the cap of the first job, and the burst of the second one's show, to 30 % of their use. Returns the use and
/// the caps, in centicores.
async fn lower_caps(farm: &Farm, jobs: &[Launched]) -> anyhow::Result<(Vec<i64>, Vec<i64>)> {
    let used: Vec<i64> = sqlx::query_scalar("SELECT int_cores::int8 FROM job_resource WHERE pk_job = ANY($1) ORDER BY array_position($1, pk_job::text)")
        .bind(jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>())
        .fetch_all(&farm.db.pool)
        .await?;
    anyhow::ensure!(
        used.iter().all(|cores| *cores > 1_000),
        "both jobs run before the drop: {used:?}"
    );
    let caps: Vec<i64> = used.iter().map(|cores| cores * 3 / 1_000 * 100).collect();
    let job = JobId::from(&*jobs[0].id);
    foreign::set_job_max_cores(&farm.db.pool, &job, Centicores(caps[0])).await?;
    let (show, alloc) = (
        ShowId::from(&*farm.seeded.shows[1].id),
        AllocId::from(&*farm.seeded.allocations[0].id),
    );
    foreign::set_subscription_burst(&farm.db.pool, &show, &alloc, Centicores(caps[1])).await?;
    Ok((used, caps))
}
