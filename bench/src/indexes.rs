//! `bench indexes`: what the offered indexes gain and cost on a farm with a deep backlog, and what
//! others would that are not offered.
//!
//! Each statement is measured as the scheduler sends it, by the server's own clock, without and with
//! the index, before any `ANALYZE` and after one. Writers are measured on layers of equal length,
//! submitted and booked to the end in turn without and with the index. Invariant: both sides of a
//! comparison have the same rows, and in the end the audit finds nothing.

mod backlog;
mod readers;
mod writers;

use anyhow::ensure;
use clap::Args;
use cue_store::INDEXES;
use serde::Serialize;

use crate::ground::Ground;
use crate::stats::{Spread, markdown};
use backlog::Backlog;
use readers::{Case, Reader};

/// What the benchmark can be told.
#[derive(Clone, Debug, Args)]
pub struct IndexesOptions {
    /// Waiting frames in layers of 50
    #[arg(long, default_value_t = 1_000_000)]
    pub frames: u64,
    /// Frames of the one deep layer
    #[arg(long, default_value_t = 50_000)]
    pub deep: u32,
    /// Hosts of 64 cores
    #[arg(long, default_value_t = 15_000)]
    pub hosts: usize,
    /// How often each statement is run; the first time does not count
    #[arg(long, default_value_t = 9)]
    pub times: usize,
    /// How many deep layers are booked on each side
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// A statement without and with an index.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    /// The index.
    pub index: String,
    /// Whether it is on offer.
    pub offered: bool,
    /// The statement, and what it was asked.
    pub case: String,
    /// Whether `ANALYZE` has run.
    pub analyzed: bool,
    /// Without the index.
    pub without: Cost,
    /// With it.
    pub with: Cost,
}

/// What one run of a statement cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Execution time, milliseconds.
    pub ms: Spread,
    /// Pages looked at in the last run.
    pub pages: u64,
}

/// What writers pay.
#[derive(Clone, Debug, Serialize)]
pub struct Writing {
    /// What was written.
    pub what: &'static str,
    /// Microseconds a row without the index.
    pub without_us: Spread,
    /// Microseconds a row with it.
    pub with_us: Spread,
}

/// All figures.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Frames that waited when the reading began.
    pub frames: i64,
    /// Statements.
    pub readings: Vec<Reading>,
    /// Writers, with all offered indexes or none.
    pub writings: Vec<Writing>,
    /// The offered indexes, with MiB each when the reading began.
    pub sizes: Vec<(String, f64)>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, a statement failed, or the audit found something.
pub async fn run(options: &IndexesOptions) -> anyhow::Result<Figures> {
    ensure!(
        options.times > 1,
        "the first run of a statement does not count, so it takes two or more"
    );
    let cores = options.hosts.saturating_mul(backlog::CORES);
    let booked = options.rounds.saturating_mul(2 * options.deep as usize);
    ensure!(
        booked <= cores,
        "{booked} frames of one core are booked, and the hosts have {cores}: give more --hosts"
    );
    let ground = Ground::seeded(&backlog::spec(options)).await?;
    backlog::keep_without_statistics(&ground).await?;
    let mut farm = Backlog::new(&ground, options).await?;
    let mut figures = Figures {
        frames: farm.waiting().await?,
        readings: Vec::new(),
        writings: Vec::new(),
        sizes: Vec::new(),
    };
    for analyzed in [false, true] {
        if analyzed {
            farm.run("ANALYZE").await?;
        }
        eprintln!("reading, analyzed: {analyzed} ...");
        for index in INDEXES {
            let cases = farm.cases_of(index.serves)?;
            let ddl = index.ddl().replace("CONCURRENTLY ", "");
            let offered = Offer {
                ddl: &ddl,
                name: index.name,
                offered: true,
            };
            let readings = compare(&mut farm, &offered, &cases, analyzed, options.times).await?;
            figures.readings.extend(readings);
        }
    }
    figures.sizes = farm.sizes().await?;
    eprintln!("writing ...");
    figures.writings = writers::run(&mut farm, options.rounds).await?;
    eprintln!("indexes that are not offered ...");
    figures.writings.extend(writers::reports(&mut farm).await?);
    farm.run("ANALYZE").await?;
    for (name, ddl, serves) in backlog::TRIED {
        let cases = farm.cases_of(serves)?;
        let tried = Offer {
            ddl,
            name,
            offered: false,
        };
        let readings = compare(&mut farm, &tried, &cases, true, options.times).await?;
        figures.readings.extend(readings);
    }
    drop(farm);
    ground.ensure_sound(None).await?;
    ground.close().await?;
    Ok(figures)
}

/// An index that is put to the test.
struct Offer<'a> {
    ddl: &'a str,
    name: &'a str,
    offered: bool,
}

async fn compare(
    farm: &mut Backlog,
    index: &Offer<'_>,
    cases: &[Case],
    analyzed: bool,
    times: usize,
) -> anyhow::Result<Vec<Reading>> {
    let without = Reader(farm.conn()).costs(cases, times).await?;
    farm.run(index.ddl).await?;
    let with = Reader(farm.conn()).costs(cases, times).await?;
    farm.drop_index(index.name).await?;
    let both = cases.iter().zip(without).zip(with);
    Ok(both
        .map(|((case, without), with)| Reading {
            index: index.name.to_owned(),
            offered: index.offered,
            case: case.label.clone(),
            analyzed,
            without,
            with,
        })
        .collect())
}

/// The figures as Markdown tables.
#[must_use]
pub fn table(figures: &Figures) -> String {
    let head = [
        "index",
        "statement",
        "statistics",
        "without ms",
        "pages",
        "with ms",
        "pages",
    ];
    let reading = |row: &Reading| {
        let note = if row.offered { "" } else { " (not offered)" };
        vec![
            format!("{}{note}", row.index),
            row.case.clone(),
            if row.analyzed { "yes" } else { "no" }.to_owned(),
            format!("{:.2}", row.without.ms),
            row.without.pages.to_string(),
            format!("{:.2}", row.with.ms),
            row.with.pages.to_string(),
        ]
    };
    let writing = |row: &Writing| {
        vec![
            row.what.to_owned(),
            format!("{:.1}", row.without_us),
            format!("{:.1}", row.with_us),
        ]
    };
    let mut text = markdown(&head, figures.readings.iter().map(reading));
    text.push('\n');
    let head = ["writing", "without, us a row", "with, us a row"];
    text.push_str(&markdown(&head, figures.writings.iter().map(writing)));
    for (name, mib) in &figures.sizes {
        let frames = figures.frames;
        text.push_str(&format!(
            "\n{name}: {mib:.0} MiB at {frames} waiting frames\n"
        ));
    }
    text
}
