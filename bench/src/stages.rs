//! `bench stages`: each stage alone, as fast as it goes, and what its number of workers does to `book`.
//!
//! Runtime, host index and host match are measured without a database; job fetch, layer lock and
//! dispatch on a seeded one, fed so that they never wait for work, and with nothing behind them that
//! could hold them up. The last part runs the whole pipeline, dry, with one `CUE_<STAGE>_WORKERS`
//! changed at a time. On a machine with few cores the stages compete with the database for them: the
//! figures say how stages compare, and which one is worth more workers, not what a large machine does.

mod database;
mod dispatch;
mod farm;
mod memory;
mod parts;
mod runtime;
mod widths;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

pub use widths::WidthRow;

use crate::stats::{Spread, markdown};

/// What the benchmark can be told.
#[derive(Clone, Debug, Args)]
pub struct StagesOptions {
    /// Workers to try
    #[arg(long, default_values_t = [1, 2, 4, 8])]
    pub workers: Vec<usize>,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Hosts of 64 cores each
    #[arg(long, default_value_t = 1_200)]
    pub hosts: usize,
    /// Frames that wait
    #[arg(long, default_value_t = 20_000)]
    pub frames: u64,
    /// Items that pass through the runtime in a round
    #[arg(long, default_value_t = 200_000)]
    pub items: u64,
    /// Only the stages alone, not the pipeline with other numbers of workers
    #[arg(long)]
    pub alone: bool,
}

/// A stage alone.
#[derive(Clone, Debug, Serialize)]
pub struct Alone {
    /// What was measured.
    pub what: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// Workers.
    pub workers: usize,
    /// How many a second.
    pub per_second: Spread,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Stages {
    /// The stages alone.
    pub alone: Vec<Alone>,
    /// The pipeline with other numbers of workers.
    pub widths: Vec<WidthRow>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, or did not do what it was given to do.
pub async fn run(options: &StagesOptions) -> anyhow::Result<Stages> {
    ensure!(options.rounds > 0, "a benchmark needs at least one round");
    ensure!(
        options
            .workers
            .iter()
            .all(|workers| (1..=64).contains(workers)),
        "a stage has 1 to 64 workers here"
    );
    let mut alone = runtime::measure(options).await?;
    alone.extend(memory::measure(options).await?);
    alone.extend(database::measure(options).await?);
    alone.extend(dispatch::measure(options).await?);
    let widths = if options.alone {
        Vec::new()
    } else {
        widths::measure(options).await?
    };
    Ok(Stages { alone, widths })
}

/// Runs `one` for every number of workers, several times. It returns how many a second.
async fn each<F>(
    options: &StagesOptions,
    (what, unit): (&'static str, &'static str),
    mut one: impl FnMut(std::num::NonZeroUsize) -> F,
) -> anyhow::Result<Vec<Alone>>
where
    F: Future<Output = anyhow::Result<f64>>,
{
    let mut rows = Vec::new();
    for &number in &options.workers {
        let workers = std::num::NonZeroUsize::new(number).unwrap_or(std::num::NonZeroUsize::MIN);
        let mut rates = Vec::new();
        for _ in 0..options.rounds {
            rates.push(one(workers).await?);
        }
        let per_second = Spread::of(&rates);
        eprintln!("{what}, {number} workers: {per_second:.0} {unit} a second");
        rows.push(Alone {
            what,
            unit,
            workers: number,
            per_second,
        });
    }
    Ok(rows)
}

/// The figures as Markdown tables.
#[must_use]
pub fn table(stages: &Stages) -> String {
    let row = |row: &Alone| {
        vec![
            row.what.to_owned(),
            row.workers.to_string(),
            format!("{:.0} {}", row.per_second, row.unit),
        ]
    };
    let alone = markdown(
        &["alone", "workers", "a second"],
        stages.alone.iter().map(row),
    );
    format!("{alone}\n{}", widths::table(&stages.widths))
}
