//! The tables at the end of the demo.

use std::fmt::Write as _;
use std::time::Duration;

use cue_flow::{Kind, StageStatus};

use super::watch::Seen;
use crate::dbtime::DbTime;

/// The farm's figures.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Openings of the scheduler's breaker.
    pub openings: f64,
    /// Frames booked.
    pub booked: f64,
    /// Frames completed.
    pub completed: u64,
    /// Statements the scheduler sent, `BEGIN` and `COMMIT` included.
    pub statements: f64,
    /// Database time of its statements, if the server counts it.
    pub db: Option<DbTime>,
}

/// A table of the stages.
#[must_use]
pub fn stages(stages: &[StageStatus], seen: &Seen) -> String {
    let mut text = format!(
        "{:<14} {:>8} {:>8} {:>12} {:>12} {:>12} {:>12} {:>9}\n",
        "stage", "items", "skipped", "wait p50", "wait p99", "run p50", "run p99", "busiest"
    );
    let order = [
        "cluster_feed",
        "job_fetch",
        "layer_lock",
        "host_match",
        "dispatch",
        "check_in",
    ];
    let place = |name: &str| {
        order
            .iter()
            .position(|other| *other == name)
            .unwrap_or(order.len())
    };
    let mut rows: Vec<&StageStatus> = stages
        .iter()
        .filter(|stage| stage.kind != Kind::Tick)
        .collect();
    rows.sort_by_key(|stage| place(stage.name));
    for stage in rows {
        let busiest = seen
            .busiest
            .iter()
            .find(|(name, _)| *name == stage.name)
            .map_or(0, |(_, most)| *most);
        let items = &stage.items;
        let _ = writeln!(
            text,
            "{:<14} {:>8} {:>8} {:>12} {:>12} {:>12} {:>12} {:>9}",
            stage.name,
            items.done + items.skip + items.retry + items.fatal + items.panic,
            items.skip,
            time(stage.queue_wait_p50),
            time(stage.queue_wait_p99),
            time(stage.run_p50),
            time(stage.run_p99),
            format!("{busiest} of {}", stage.workers),
        );
    }
    text
}

/// The farm's figures as a table.
#[must_use]
pub fn farm(figures: &Figures, seen: &Seen) -> String {
    let mut text = String::new();
    let seconds = seen.drained_in.as_secs_f64();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<34} {value}");
    };
    row("frames booked", format!("{:.0}", figures.booked));
    row("frames completed", figures.completed.to_string());
    row("drained in", format!("{seconds:.1} s"));
    row(
        "frames booked a second, on average",
        format!("{:.0}", figures.booked / seconds.max(0.001)),
    );
    row(
        "95 % of cores booked after",
        seen.filled_in.map_or_else(
            || "never".to_owned(),
            |at| format!("{:.1} s", at.as_secs_f64()),
        ),
    );
    row(
        "most cores booked at once",
        format!("{:.1} %", seen.peak_percent),
    );
    row(
        "cores booked while frames waited",
        format!("{:.1} %", seen.mean_percent),
    );
    if let Some(outage) = seen.outage {
        row(
            "database away for",
            format!("{:.1} s", outage.lasted.as_secs_f64()),
        );
        row("breaker opened", format!("{:.0} times", figures.openings));
        row(
            "booking again after its return",
            format!("{:.1} s", outage.booking_again.as_secs_f64()),
        );
    }
    row(
        "statements a frame",
        format!("{:.3}", figures.statements / figures.booked.max(1.0)),
    );
    let db = figures.db.map_or_else(
        || "unknown: pg_stat_statements is not loaded".to_owned(),
        |db| format!("{:.3} ms", db.milliseconds / figures.booked.max(1.0)),
    );
    row("database time a frame", db);
    text
}

fn time(duration: Option<Duration>) -> String {
    duration.map_or_else(
        || "-".to_owned(),
        |duration| {
            let us = duration.as_secs_f64() * 1e6;
            if us < 1000.0 {
                format!("{us:.0} us")
            } else if us < 1e6 {
                format!("{:.1} ms", us / 1e3)
            } else {
                format!("{:.2} s", us / 1e6)
            }
        },
    )
}
