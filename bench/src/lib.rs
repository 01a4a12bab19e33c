//! The demo and the benchmarks: a farm in a box, and the scheduler run on it.

pub mod book;
pub mod dbtime;
pub mod demo;
pub mod floor;
pub mod scheduler;

/// Logs warnings to standard error, or what `CUE_LOG` asks for.
pub fn logging() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of its own, and this is where it reads its environment"
    )]
    let filter = std::env::var("CUE_LOG").unwrap_or_else(|_| "warn".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
