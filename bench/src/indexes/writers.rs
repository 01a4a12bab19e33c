//! What an index costs those who write: submitting a layer, booking it to the end, reporting procs.
//!
//! A booking here is `lock_frames` and the bulk SQL of the floor, full accounting and all triggers
//! included, so the rows that it leaves behind are those that the next lock has to pass. Nothing is
//! vacuumed on the way. Invariant: what is booked is sound, the audit looks at it in the end.

use std::time::{Duration, Instant};

use anyhow::ensure;
use cue_simfarm::seed::Launched;
use cue_store::statements::LOCK_FRAMES;
use sqlx::{Connection, Row};

use super::Writing;
use super::backlog::{BATCH_FRAMES, Backlog, SILENT, TRIED};
use crate::floor::FLOOR;
use crate::stats::{Spread, count};

/// How often all procs are reported.
const REPORTS: usize = 4;

/// What is timed, in the order of [`Times`].
const WHAT: [&str; 3] = [
    "submitting a deep layer",
    "locking its frames, to the last",
    "booking them",
];

/// Microseconds a frame of everything in [`WHAT`].
type Times = [f64; 3];

/// Submits and books deep layers, in turn without and with the offered indexes.
pub(super) async fn run(farm: &mut Backlog, rounds: usize) -> anyhow::Result<Vec<Writing>> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        without.push(written(farm, &format!("without-{round}")).await?);
        farm.create_offered().await?;
        with.push(written(farm, &format!("with-{round}")).await?);
        for index in cue_store::INDEXES {
            farm.drop_index(index.name).await?;
        }
    }
    let spread = |times: &[Times], n: usize| {
        let times: Vec<f64> = times.iter().map(|times| times[n]).collect();
        Spread::of(&times)
    };
    let rows = WHAT.iter().enumerate().map(|(n, what)| Writing {
        what,
        without_us: spread(&without, n),
        with_us: spread(&with, n),
    });
    Ok(rows.collect())
}

async fn written(farm: &mut Backlog, name: &str) -> anyhow::Result<Times> {
    let began = Instant::now();
    let job = farm.launch(name).await?;
    let submitted = began.elapsed();
    let (locked, booked) = drain(farm, &job).await?;
    let frames = count(farm.length().unsigned_abs());
    Ok([submitted, locked, booked].map(|time| time.as_secs_f64() * 1e6 / frames))
}

/// Books every frame of a layer, a batch at a time. The time of the locks and of the rest.
async fn drain(farm: &mut Backlog, job: &Launched) -> anyhow::Result<(Duration, Duration)> {
    let hosts = farm.hosts.clone();
    let mut hosts = hosts.iter().cycle();
    let (mut locks, mut books) = (Duration::ZERO, Duration::ZERO);
    loop {
        let mut tx = farm.conn().begin().await?;
        let began = Instant::now();
        let rows = sqlx::query(LOCK_FRAMES.sql)
            .bind(vec![job.layers[0].id.clone()])
            .bind(vec![BATCH_FRAMES])
            .fetch_all(&mut *tx)
            .await?;
        locks += began.elapsed();
        if rows.is_empty() {
            return Ok((locks, books));
        }
        let frames = rows
            .iter()
            .map(|row| row.try_get("pk_frame"))
            .collect::<Result<Vec<String>, _>>()?;
        let procs: Vec<String> = frames
            .iter()
            .map(|_| uuid::Uuid::new_v4().to_string())
            .collect();
        let picked: Vec<String> = hosts.by_ref().take(frames.len()).cloned().collect();
        ensure!(picked.len() == frames.len(), "the farm has no hosts");
        let began = Instant::now();
        sqlx::query(FLOOR)
            .bind(frames)
            .bind(picked)
            .bind(procs)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        books += began.elapsed();
    }
}

/// Reports every proc, without and with the index that would find those that nobody reports.
pub(super) async fn reports(farm: &mut Backlog) -> anyhow::Result<Option<Writing>> {
    let Some((_, ddl, _)) = TRIED.iter().find(|(name, ..)| *name == SILENT) else {
        return Ok(None);
    };
    let without_us = reported(farm).await?;
    farm.run(ddl).await?;
    let with_us = reported(farm).await?;
    farm.drop_index(SILENT).await?;
    Ok(Some(Writing {
        what: "reporting a proc, with i_try_proc_silent",
        without_us,
        with_us,
    }))
}

/// Microseconds a proc. Hosts report one after the other, so that the room of a row's last version can
/// be used for the next one, which an index on what changes forbids.
async fn reported(farm: &mut Backlog) -> anyhow::Result<Spread> {
    let hosts = farm.hosts.clone();
    let mut times = Vec::new();
    for _ in 0..REPORTS {
        let (mut procs, began) = (0, Instant::now());
        for host in &hosts {
            let report =
                sqlx::query("UPDATE proc SET ts_ping = clock_timestamp() WHERE pk_host = $1");
            procs += report
                .bind(host)
                .execute(farm.conn())
                .await?
                .rows_affected();
        }
        times.push(began.elapsed().as_secs_f64() * 1e6 / count(procs.max(1)));
    }
    // The first time there is no room yet.
    Ok(Spread::of(times.get(1..).unwrap_or_default()))
}
