//! The demo and the benchmarks: a farm in a box, and the scheduler run on it.

mod child;
pub mod cputime;
pub mod dbtime;
pub mod demo;
pub mod fill;
pub mod floor;
pub mod ground;
pub mod grow;
pub mod latency;
pub mod quality;
pub mod replay;
pub mod scheduler;
pub mod speed;
pub mod stats;
pub mod yard;

/// Variables that set the filter of the log; the first that is set counts.
const LOG_VARIABLES: [&str; 2] = ["CUE_LOG", "RUST_LOG"];

/// The log filter unless a variable sets another: warnings. Slow statements are none: seeding
/// has them, and the figures count the others.
const QUIET: &str = "warn,sqlx::query=error";

/// Logs warnings to standard error, or what `CUE_LOG` or `RUST_LOG` asks for, and exports traces to where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` points. Finish what it returns, so that the last spans are exported.
///
/// # Errors
/// A setting is refused.
pub fn telemetry() -> anyhow::Result<cue_scheduler::telemetry::TelemetryGuard> {
    // The database is not looked at here, but every settings have one.
    let nowhere = ("CUE_DATABASE_URL", "postgres://localhost/none".to_owned());
    let mut settings = scheduler::settings(&[nowhere])?;
    if LOG_VARIABLES
        .iter()
        .all(|name| std::env::var_os(name).is_none())
    {
        QUIET.clone_into(&mut settings.logging.filter);
    }
    // Metrics are printed, not exported.
    let registry = prometheus::Registry::new();
    let guard = cue_scheduler::telemetry::init(&settings, &registry)?;
    Ok(guard)
}
