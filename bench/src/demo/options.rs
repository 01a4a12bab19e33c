//! Options of the demo.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// The longest outage: the breaker of the scheduler opens ten times in some 40 s, and then the service
/// ends.
const LONGEST: Duration = Duration::from_secs(30);

/// A render farm in a box, scheduled end to end: PostgreSQL, simulated hosts, the six stages.
///
/// Everything is private to the demo and removed at its end. Any CUE_* or OTEL_* setting of the
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
    /// Stop PostgreSQL for this time when half of the frames are done, as in `10s`
    #[arg(long, value_name = "TIME", value_parser = outage_length)]
    pub database_outage: Option<Duration>,
    /// Leave farm, database and scheduler running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Address of /metrics and /status while it runs
    #[arg(long, default_value = "127.0.0.1:0")]
    pub admin: std::net::SocketAddr,
    /// No progress display
    #[arg(long)]
    pub quiet: bool,
}

/// Reads the length of an outage.
///
/// # Errors
/// It is no time, or a longer one than the scheduler would sit out.
fn outage_length(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if length.is_zero() || length > LONGEST {
        let most = humantime::format_duration(LONGEST);
        return Err(format!(
            "it must be more than nothing and at most {most}: the scheduler gives up after some 40 s"
        ));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_time_that_the_scheduler_sits_out() {
        assert_eq!(outage_length("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(outage_length("500ms"), Ok(Duration::from_millis(500)));
        for (bad, words) in [
            ("0s", "at most 30s"),
            ("1m", "at most 30s"),
            ("ten", "number"),
        ] {
            let error = outage_length(bad).unwrap_err();
            assert!(error.contains(words), "{bad}: {error}");
        }
    }
}
