//! The demo and the benchmarks: a farm in a box, and the scheduler run on it.

pub mod book;
mod child;
pub mod dbtime;
pub mod demo;
pub mod fill;
pub mod floor;
pub mod ground;
pub mod grow;
pub mod index;
pub mod indexes;
pub mod scheduler;
pub mod stages;
pub mod stats;
pub mod steady;
pub mod traces;
pub mod wake;
pub mod yard;

/// What is logged unless `CUE_LOG` asks for something else: warnings. Slow statements are none: seeding
/// has them, and the figures tell of the others.
const QUIET: &str = "warn,sqlx::query=error";

/// Logs like [`logging`], and exports traces to where `OTEL_EXPORTER_OTLP_ENDPOINT` points. Finish what
/// it returns, so that the last spans are exported.
///
/// # Errors
/// A setting is refused.
pub fn telemetry() -> anyhow::Result<cue_scheduler::telemetry::TelemetryGuard> {
    // The database is not looked at here, but every settings have one.
    let nowhere = ("CUE_DATABASE_URL", "postgres://localhost/none".to_owned());
    let mut settings = scheduler::settings(&[nowhere])?;
    if std::env::var_os("CUE_LOG").is_none() {
        "warn".clone_into(&mut settings.logging.filter);
    }
    let guard = cue_scheduler::telemetry::init(&settings.telemetry, &settings.logging)?;
    Ok(guard)
}

/// Logs warnings to standard error, or what `CUE_LOG` asks for.
pub fn logging() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of its own, and this is where it reads its environment"
    )]
    let filter = std::env::var("CUE_LOG").unwrap_or_else(|_| QUIET.to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
