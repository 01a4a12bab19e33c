//! The floor: the same frames booked by bulk SQL and nothing else.
//!
//! One connection, 100 frames a transaction, full accounting, hosts picked beforehand for free. No
//! scheduler can be much faster on the same schema with the same triggers.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sqlx::{Connection, PgConnection, Row};

/// Frames in one transaction.
pub const BATCH: usize = 100;

pub(crate) const FLOOR: &str = include_str!("../sql/floor.sql");

/// Books every waiting frame. Returns how many, and how long it took.
///
/// # Errors
/// The database failed, or the hosts do not have room for all frames.
pub async fn run(url: &str) -> anyhow::Result<(usize, Duration)> {
    let mut conn = PgConnection::connect(url).await?;
    sqlx::query("SET jit = off").execute(&mut conn).await?;
    let placed = pick(&mut conn).await?;
    let began = Instant::now();
    for batch in placed.chunks(BATCH) {
        let mut tx = conn.begin().await?;
        sqlx::query(FLOOR)
            .bind(
                batch
                    .iter()
                    .map(|place| place.0.clone())
                    .collect::<Vec<_>>(),
            )
            .bind(
                batch
                    .iter()
                    .map(|place| place.1.clone())
                    .collect::<Vec<_>>(),
            )
            .bind(
                batch
                    .iter()
                    .map(|_| uuid::Uuid::new_v4().to_string())
                    .collect::<Vec<_>>(),
            )
            .execute(&mut *tx)
            .await
            .context("the floor's booking failed")?;
        tx.commit().await?;
    }
    Ok((placed.len(), began.elapsed()))
}

/// Gives every waiting frame a host that has room for it, filling host after host.
async fn pick(conn: &mut PgConnection) -> anyhow::Result<Vec<(String, String)>> {
    let frames = sqlx::query(
        "SELECT f.pk_frame, greatest(l.int_cores_min, 100) AS cores, l.int_mem_min AS mem
         FROM frame f JOIN layer l ON l.pk_layer = f.pk_layer
         WHERE f.str_state = 'WAITING'
         ORDER BY f.pk_job, f.pk_layer, f.int_dispatch_order",
    )
    .fetch_all(&mut *conn)
    .await?;
    let hosts = sqlx::query(
        "SELECT pk_host, int_cores_idle, int_mem_idle FROM host ORDER BY int_cores_idle, pk_host",
    )
    .fetch_all(conn)
    .await?;
    let mut places = Vec::with_capacity(frames.len());
    let mut rooms: std::collections::VecDeque<(String, i64, i64)> = hosts
        .iter()
        .map(|row| {
            Ok((
                row.try_get("pk_host")?,
                row.try_get("int_cores_idle")?,
                row.try_get("int_mem_idle")?,
            ))
        })
        .collect::<Result<_, sqlx::Error>>()?;
    for row in &frames {
        let (cores, mem): (i64, i64) = (row.try_get("cores")?, row.try_get("mem")?);
        while rooms
            .front()
            .is_some_and(|room| room.1 < cores || room.2 < mem)
        {
            rooms.pop_front();
        }
        let room = rooms.front_mut();
        ensure!(
            room.is_some(),
            "the farm has no room for all frames: {} of {} placed",
            places.len(),
            frames.len()
        );
        if let Some(room) = room {
            room.1 -= cores;
            room.2 -= mem;
            places.push((row.try_get("pk_frame")?, room.0.clone()));
        }
    }
    Ok(places)
}
