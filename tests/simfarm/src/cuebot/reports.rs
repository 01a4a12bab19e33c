//! Status reports: hosts and procs are alive, and runs that nobody owns are killed (OPENCUE.md, Release).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cue_proto::report::{HostReport, RunningFrameInfo};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::rqd::Hosts;

const REPORT_HOSTS: &str = include_str!("../../sql/cuebot/report_hosts.sql");
const REPORT_PROCS: &str = include_str!("../../sql/cuebot/report_procs.sql");
const UNOWNED_RUNS: &str = include_str!("../../sql/cuebot/unowned_runs.sql");

/// Takes the reports of all hosts again and again, while Cuebot is here.
pub(super) async fn repeat(
    pool: PgPool,
    hosts: Hosts,
    mut is_present: watch::Receiver<bool>,
    every: Duration,
) {
    while is_present.wait_for(|is_present| *is_present).await.is_ok() {
        if let Err(error) = take(&pool, &hosts).await {
            tracing::warn!(%error, "status reports could not be taken; the next ones are");
        }
        tokio::select! {
            () = sleep(every) => {}
            _ = is_present.wait_for(|is_present| !is_present) => {}
        }
    }
}

async fn take(pool: &PgPool, hosts: &Hosts) -> Result<(), sqlx::Error> {
    let reports = hosts.reports();
    let (names, free): (Vec<&str>, Vec<i64>) = reports
        .iter()
        .filter_map(|report| report.host.as_ref())
        .map(|host| (host.name.as_str(), host.free_mem))
        .unzip();
    sqlx::query(REPORT_HOSTS)
        .bind(names)
        .bind(free)
        .execute(pool)
        .await?;
    let runs: Vec<(&str, &RunningFrameInfo)> = reports.iter().flat_map(runs_of).collect();
    let procs: Vec<&str> = runs.iter().map(|(_, run)| &*run.resource_id).collect();
    sqlx::query(REPORT_PROCS).bind(&procs).execute(pool).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let frames: Vec<&str> = runs.iter().map(|(_, run)| &*run.frame_id).collect();
    let ages: Vec<i64> = runs.iter().map(|(_, run)| now - run.start_time).collect();
    let unowned: Vec<i64> = sqlx::query_scalar(UNOWNED_RUNS)
        .bind(&procs)
        .bind(&frames)
        .bind(&ages)
        .fetch_all(pool)
        .await?;
    for place in unowned {
        if let Some((host, run)) = usize::try_from(place).ok().and_then(|n| runs.get(n)) {
            hosts.kill(host, &run.frame_id).await;
        }
    }
    Ok(())
}

fn runs_of(report: &HostReport) -> impl Iterator<Item = (&str, &RunningFrameInfo)> {
    let host = report.host.as_ref().map_or("", |host| &*host.name);
    report.frames.iter().map(move |run| (host, run))
}
