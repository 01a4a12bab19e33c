//! Load and failure of the service itself.

use std::io::Read as _;
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use tokio::process::{Child, Command};

use super::farms::{hosts, mean};
use crate::latency::{Emptiness, End};
use crate::quality::farm::Farm;
use crate::quality::outcome::Outcome;
use crate::quality::timeline::whole;
use crate::scheduler::{Scheduler, settings};

/// The subcommand that the benchmark calls itself with.
const COMMAND: &str = "quality-child";

/// Limits under which a booking counts as forgotten after some 7 s.
const SOON_FORGOTTEN: [(&str, &str); 4] = [
    ("CUE_LAUNCH_DEADLINE", "1s"),
    ("CUE_RQD_CONNECT_TIMEOUT", "2s"),
    ("CUE_RQD_REQUEST_TIMEOUT", "2s"),
    ("CUE_RESOLVE_ATTEMPTS", "2"),
];

/// Settings of a scheduler in a process of its own.
#[derive(Clone, Debug, Args)]
pub struct ChildOptions {
    /// A setting as NAME=VALUE; may be given several times
    #[arg(long)]
    pub set: Vec<String>,
}

/// Schedules until standard input is closed.
///
/// # Errors
/// A setting is refused, or the scheduler did not end in good order.
pub async fn schedule(options: &ChildOptions) -> anyhow::Result<()> {
    let setting = |text: &'_ String| {
        let pair = text.split_once('=').context("a setting is NAME=VALUE")?;
        Ok((pair.0.to_owned(), pair.1.to_owned()))
    };
    let all: anyhow::Result<Vec<(String, String)>> = options.set.iter().map(setting).collect();
    let all = all?;
    let all: Vec<(&str, String)> = all
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let scheduler = Scheduler::start(settings(&all)?).await?;
    let closed = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(closed).await??;
    scheduler.end().await
}

/// A scheduler in a process of its own.
fn replica(farm: &mut Farm) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("this program has no path")?;
    let mut command = Command::new(program);
    command.arg(COMMAND);
    for (name, value) in farm.variables() {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    child.context("a scheduler could not be started")
}

/// Two schedulers, one of which is killed half way.
pub async fn failover() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(10, 32)]), mean(5.0)).await?;
    for (name, value) in SOON_FORGOTTEN {
        farm.policy.push((name, value.to_owned()));
    }
    let mut jobs = Vec::new();
    for n in 0..6 {
        jobs.push(farm.plain(&format!("before{n}"), 50, 2, 150)?);
    }
    farm.submit(&jobs).await?;
    farm.begin();
    let mut killed = replica(&mut farm)?;
    let mut standby = replica(&mut farm)?;
    farm.run(9.0).await;
    killed.kill().await?;
    let at = farm.now();
    let mut jobs = Vec::new();
    for n in 0..5 {
        jobs.push(farm.plain(&format!("after{n}"), 60, 1, 60)?);
    }
    let (first, _) = farm.submit(&jobs).await?;
    farm.run(14.0).await;
    drop(standby.stdin.take());
    let ended = standby.wait().await?;
    let seen = farm.close().await?;
    // A call that was under way when the process died may still arrive.
    let later = seen.timeline.runs.iter().filter(|run| run.start > at + 0.5);
    let late: std::collections::BTreeSet<usize> = later
        .clone()
        .map(|run| run.job)
        .filter(|job| *job >= first)
        .collect();
    Ok(seen
        .outcome()
        .at_least(
            "frames started by the other",
            whole(later.count() as u64),
            100.0,
        )
        .at_least("later jobs served", whole(late.len() as u64), 3.0)
        .at_most("completions lost", whole(seen.completions.lost), 0.0)
        .at_least(
            "ended in good order",
            f64::from(u8::from(ended.success())),
            1.0,
        ))
}

/// 145 frames end in a second.
pub async fn completion_storm() -> anyhow::Result<Outcome> {
    let mut farm = Farm::open(&hosts(&[(60, 24)]), mean(9.9)).await?;
    let mut jobs = Vec::new();
    for n in 0..10 {
        jobs.push(farm.plain(&format!("job{n}"), 50, 2, 300)?);
    }
    farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(20.0).await;
    let over = std::time::Instant::now();
    let seen = farm.close().await?;
    let ends: Vec<End> = seen
        .ends
        .iter()
        .filter(|end| end.at < over)
        .cloned()
        .collect();
    let empty = Emptiness::of(&ends, &seen.launches, over).milliseconds;
    let refill = empty.iter().sum::<f64>() / 1e3 / whole(empty.len().max(1) as u64);
    let window = seen.timeline.last(12.0);
    let ended = seen
        .timeline
        .runs
        .iter()
        .filter(|run| window.0 <= run.end && run.end < window.1)
        .count();
    let rate = whole(ended as u64) / (window.1 - window.0);
    Ok(seen
        .outcome()
        .at_least("ends a second", rate, 120.0)
        .at_most("freed core empty, mean, s", refill, 2.0)
        .at_most(
            "completions lost",
            whole(seen.completions.lost + seen.completions.stale),
            0.0,
        ))
}
