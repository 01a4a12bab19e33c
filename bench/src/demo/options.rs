//! What the demo can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::outage;

/// A render farm in a box, scheduled end to end: PostgreSQL, simulated hosts, the six stages.
///
/// Everything is started for the occasion and gone afterwards. Any CUE_* or OTEL_* setting of the
/// scheduler can be given in the environment.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo", version)]
pub struct Options {
    /// Hosts of the farm
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub hosts: u64,
    /// Frames that wait, about
    #[arg(long, default_value_t = 12_000, value_parser = clap::value_parser!(u64).range(1..=2_000_000))]
    pub frames: u64,
    /// Shows that share the farm
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub shows: u64,
    /// Mean time a frame renders, as in `2s` or `500ms`
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    pub render: Duration,
    /// Makes the farm, its jobs and its render times
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A farm spec in TOML, instead of --hosts, --frames and --shows
    #[arg(long, conflicts_with_all = ["hosts", "frames", "shows"])]
    pub spec: Option<PathBuf>,
    /// Stop PostgreSQL for so long when half of the frames are done, as in `10s`
    #[arg(long, value_name = "TIME", value_parser = outage::length)]
    pub database_outage: Option<Duration>,
    /// Leave farm, database and scheduler running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Where /metrics and /status are served while it runs
    #[arg(long, default_value = "127.0.0.1:0")]
    pub admin: std::net::SocketAddr,
    /// No progress display
    #[arg(long)]
    pub quiet: bool,
}
