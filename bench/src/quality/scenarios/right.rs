//! A freed core goes to the right job, and no idle core is left that a waiting frame could use.

use std::time::Duration;

use cue_simfarm::seed::HostClass;

use super::farms::{hosts, mean};
use crate::fill::idle;
use crate::quality::farm::Farm;
use crate::quality::measures::right_share;
use crate::quality::outcome::Outcome;
use crate::quality::timeline::whole;

/// Jobs that wait.
const JOBS: usize = 5_000;

/// Freed cores that are looked at.
const FREED: usize = 480;

/// A launch is right if its job is among this number of most important ones: as many cores come free while
/// a completion is on its way to the scheduler.
const SLACK: usize = 64;

/// Longest time from the submission of the jobs to the first launch of one, in seconds.
const FIRST: f64 = 1.0;

/// In strict order of priority.
pub async fn by_priority() -> anyhow::Result<Outcome> {
    right_job("priority", 99.0).await
}

/// By shares; none of the jobs has a core, so the most important one is furthest below its share.
pub async fn by_share() -> anyhow::Result<Outcome> {
    right_job("share", 95.0).await
}

/// 640 full cores, 5,000 jobs of distinct priority, and a host with idle cores and without memory. The least important
/// job waits, too: it keeps the farm full while the others are submitted, and none of its launches is right after the
/// first launch of another.
async fn right_job(order: &str, least: f64) -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[(20, 32)]);
    spec.hosts.push(HostClass {
        count: 1,
        cores: 32,
        memory_gib: 1,
        ..HostClass::default()
    });
    let mut farm = Farm::open(&spec, mean(16.0)).await?;
    farm.policy.push(("CUE_ORDER", order.to_owned()));
    let filler = farm.plain("filler", 0, 1, 5_000)?;
    farm.submit(&[filler]).await?;
    farm.start(1).await?;
    farm.running(600).await?;
    let priority = |n: usize| (n * 7_919) % JOBS + 1;
    let job = |n: usize| farm.plain(&format!("job{n:04}"), i32::try_from(priority(n))?, 1, 1);
    let jobs: anyhow::Result<Vec<_>> = (0..JOBS).map(job).collect();
    farm.submit(&jobs?).await?;
    let (submitted, launched) = (farm.now(), farm.rqd.launch_count());
    for _ in 0..24 {
        if farm.rqd.launch_count() < launched + FREED {
            farm.run(1.0).await;
        }
    }
    let seen = farm.close().await?;
    let runs = seen.timeline.runs.iter();
    let runs: Vec<_> = runs.skip_while(|run| run.job == 0).collect();
    let first = runs.first().map_or(f64::INFINITY, |run| run.start);
    // The rank of the one that is never right is behind all others.
    let rank = |job: usize| job.checked_sub(1).map_or(JOBS, |n| JOBS - priority(n));
    let ranks = runs.iter().map(|run| rank(run.job));
    let ranks: Vec<usize> = ranks.take(FREED).collect();
    Ok(seen
        .outcome()
        .at_least(
            "freed cores that the right job got, %",
            100.0 * right_share(&ranks, JOBS, SLACK),
            least,
        )
        .at_most(
            "first of the jobs started after, s",
            first - submitted,
            FIRST,
        )
        .at_least("freed cores used", whole(ranks.len() as u64), 200.0))
}

/// A mixed farm under churn; then nothing ends any more.
pub async fn idle_core() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[(6, 64), (10, 32), (20, 16)]);
    spec.shows = 3;
    spec.allocations = 2;
    spec.host_tags.manual = vec!["fast".to_owned(), "local".to_owned()];
    spec.host_tags.manual_share = 0.3;
    let mut farm = Farm::open(&spec, cue_simfarm::rqd::FrameDuration::Never).await?;
    let mut jobs = Vec::new();
    for show in 0..3 {
        for (n, (cores, gib)) in [(100, 1), (200, 4), (400, 2)].into_iter().enumerate() {
            let mut job = farm.job(show, &format!("job{n}"), 50)?;
            for tag in ["pool01", "pool02", "fast", "local"] {
                job.layer(tag, tag, |layer| {
                    layer.frames = 100;
                    layer.cores_min = cores;
                    layer.threadable = cores > 100;
                    layer.mem_min = gib * 1_048_576;
                });
            }
            jobs.push(job);
        }
    }
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(3.0).await;
    farm.end_by_lot(30.0, 12.0).await?;
    let mut launches = 0;
    while launches < farm.rqd.launch_count() {
        launches = farm.rqd.launch_count();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let classes = idle::by_class(&farm.db.pool).await?;
    let seen = farm.close().await?;
    let idle: i64 = classes.iter().map(|class| class.idle).sum();
    Ok(seen
        .outcome()
        .at_most(
            "idle cores that a waiting frame fits",
            whole(idle::usable(&classes)),
            0.0,
        )
        .also("idle cores", whole(idle.unsigned_abs())))
}
