//! `bench latency`: the wait of a job on an idle farm, and of a freed core on a full one.

mod reuse;
mod wake;

use clap::Args;
use serde::Serialize;

pub(crate) use reuse::{Emptiness, End};
use reuse::{Reuse, ReuseOptions};
use wake::{Wake, WakeOptions};

/// Options of the benchmark.
#[derive(Clone, Debug, Args)]
pub struct LatencyOptions {
    /// Size of farm and backlog; 1 is 1,553 hosts and 57,248 cores
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    #[command(flatten)]
    wake: WakeOptions,
    #[command(flatten)]
    reuse: ReuseOptions,
}

/// Figures of both parts.
#[derive(Debug, Serialize)]
pub struct Latency {
    wake: Option<Wake>,
    reuse: Vec<Reuse>,
}

/// Measures one job after the other on an idle farm, then freed cores on a full one.
///
/// # Errors
/// Something could not be started, a job was forgotten, the backlog ran dry, or the audit found
/// something.
pub async fn run(options: &LatencyOptions) -> anyhow::Result<Latency> {
    let wake = match options.wake.jobs {
        0 => None,
        _ => Some(wake::run(options.scale, &options.wake).await?),
    };
    let reuse = match options.reuse.seconds {
        0 => Vec::new(),
        _ => reuse::run(options.scale, &options.reuse).await?,
    };
    Ok(Latency { wake, reuse })
}

/// The figures as Markdown tables.
#[must_use]
pub fn table(latency: &Latency) -> String {
    let wake = latency.wake.iter().map(wake::table);
    let reuse = (!latency.reuse.is_empty()).then(|| reuse::table(&latency.reuse));
    wake.chain(reuse).collect::<Vec<_>>().join("\n")
}
