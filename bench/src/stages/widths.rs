//! The pipeline of `book` with other numbers of workers, one stage at a time.

use serde::Serialize;

use super::StagesOptions;
use crate::book;
use crate::ground::Ground;
use crate::stats::{Spread, count, markdown};

/// The stages with workers to choose.
const STAGES: [(&str, &str); 5] = [
    ("job_fetch", "CUE_JOB_FETCH_WORKERS"),
    ("layer_lock", "CUE_LAYER_LOCK_WORKERS"),
    ("host_match", "CUE_HOST_MATCH_WORKERS"),
    ("dispatch", "CUE_DISPATCH_WORKERS"),
    ("check_in", "CUE_CHECK_IN_WORKERS"),
];

/// One stage with one number of workers.
#[derive(Clone, Debug, Serialize)]
pub struct WidthRow {
    /// The stage.
    pub stage: &'static str,
    /// The setting.
    pub variable: &'static str,
    /// Its workers; `null` is the default of every stage.
    pub workers: Option<usize>,
    /// Frames booked a second.
    pub frames_per_second: Spread,
    /// Over those with the defaults.
    pub ratio: f64,
}

pub(super) async fn measure(options: &StagesOptions) -> anyhow::Result<Vec<WidthRow>> {
    let default = book_with(options, &[]).await?;
    let mut rows = vec![WidthRow {
        stage: "all as by default",
        variable: "",
        workers: None,
        frames_per_second: default,
        ratio: 1.0,
    }];
    for (stage, variable) in STAGES {
        for &workers in &options.workers {
            let rate = book_with(options, &[(variable, workers.to_string())]).await?;
            eprintln!("{variable}={workers}: {rate:.0} frames a second");
            rows.push(WidthRow {
                stage,
                variable,
                workers: Some(workers),
                frames_per_second: rate,
                ratio: rate.median / default.median,
            });
        }
    }
    Ok(rows)
}

/// Frames booked a second with these settings, each round on a fresh farm.
async fn book_with(
    options: &StagesOptions,
    variables: &[(&str, String)],
) -> anyhow::Result<Spread> {
    // Wide enough for the widest stage, the same for all.
    let most = options.workers.iter().copied().max().unwrap_or(1);
    let mut all = vec![("CUE_DATABASE_POOL", (most + 24).to_string())];
    all.extend_from_slice(variables);
    let mut rates = Vec::new();
    for _ in 0..options.rounds {
        let ground = Ground::seeded(&book::farm(options.hosts, options.frames)).await?;
        let frames = ground.seeded.frames;
        let seconds = book::schedule(ground.url(), frames, &all).await?.seconds;
        ground.ensure_sound(None).await?;
        ground.close().await?;
        rates.push(count(frames) / seconds.max(1e-9));
    }
    Ok(Spread::of(&rates))
}

/// The figures as a Markdown table, one line a stage.
#[must_use]
pub(super) fn table(rows: &[WidthRow]) -> String {
    let row = |row: &WidthRow| {
        vec![
            row.stage.to_owned(),
            row.workers
                .map_or_else(|| "-".to_owned(), |workers| workers.to_string()),
            format!("{:.0}", row.frames_per_second),
            format!("{:.2}", row.ratio),
        ]
    };
    if rows.is_empty() {
        return String::new();
    }
    markdown(
        &[
            "stage",
            "workers",
            "frames booked a second",
            "of the default",
        ],
        rows.iter().map(row),
    )
}
