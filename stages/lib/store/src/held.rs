//! Rows that another session holds, and that session.
//!
//! Read after a lock timed out, to name the rows and their holders. Nothing is waited for, and nothing stays
//! locked.

mod layers;

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::why::HeldRow;
use cue_domain::{Booking, LimitId};

use crate::booking::Rebooking;
use crate::error::StoreError;
use crate::keys::{column, distinct, distinct_pairs, each_once};
use crate::ledger::{point, subscription};
use crate::pool::Store;
use crate::statements::{HELD_ROWS, query};

/// Time for which a session that is at work sends nothing. Longer, and it holds its rows.
const IDLE_SECONDS: f64 = 0.1;

/// Age of a transaction that may be in the way for a moment only. What is older was there before a lock timed out,
/// so that the row was waited for all the time; bookings are mostly over in a tenth of it.
const MOMENT_SECONDS: f64 = 0.45;

/// Keys of the rows that are asked about.
#[derive(Debug, Default)]
pub(crate) struct Keys<'a> {
    pub(crate) subscriptions: (Vec<&'a str>, Vec<&'a str>),
    pub(crate) layers: Vec<&'a str>,
    pub(crate) jobs: Vec<&'a str>,
    pub(crate) folders: Vec<&'a str>,
    pub(crate) points: (Vec<&'a str>, Vec<&'a str>),
    pub(crate) limits: Vec<&'a str>,
    pub(crate) frames: Vec<&'a str>,
    pub(crate) procs: Vec<&'a str>,
    pub(crate) hosts: Vec<&'a str>,
    /// Layers whose own rows are meant, and not those of their counters.
    pub(crate) own_layers: Vec<&'a str>,
}

/// The rows that are held, by table and key.
#[derive(Debug, Default)]
pub(crate) struct HeldRows(HashMap<(String, String, Option<String>), HeldRow>);

impl HeldRows {
    pub(crate) fn get(&self, table: &str, id: &str, other: Option<&str>) -> Option<&HeldRow> {
        if self.0.is_empty() {
            return None;
        }
        let key = (table.to_owned(), id.to_owned(), other.map(str::to_owned));
        self.0.get(&key)
    }
}

impl Store {
    /// Asks in a transaction of its own, which is rolled back at once.
    pub(crate) async fn held_rows(&self, keys: Keys<'_>) -> Result<HeldRows, StoreError> {
        let query = query(&HELD_ROWS)
            .bind(keys.subscriptions.0)
            .bind(keys.subscriptions.1)
            .bind(keys.layers)
            .bind(keys.jobs)
            .bind(keys.folders)
            .bind(keys.points.0)
            .bind(keys.points.1)
            .bind(keys.limits)
            .bind(keys.frames)
            .bind(keys.procs)
            .bind(keys.hosts)
            .bind(keys.own_layers);
        let mut tx = self.begin().await?;
        let found = self.meters.rows(&HELD_ROWS, query, &mut tx).await;
        tx.rollback().await?;
        let mut held = HeldRows::default();
        for row in &found? {
            let held_for: Option<f64> = row.get("held_seconds")?;
            let idle: Option<f64> = row.get("idle_seconds")?;
            let is_idle = idle.is_some_and(|seconds| seconds > IDLE_SECONDS);
            if held_for.is_some_and(|seconds| seconds < MOMENT_SECONDS) && !is_idle {
                continue;
            }
            let table: String = row.get("kind")?;
            let key = (table.clone(), row.get("id")?, row.get("other_id")?);
            let application: Option<String> = row.get("application_name")?;
            let pid: Option<i32> = row.get("pid")?;
            let holder = pid.map(|pid| {
                let application = application.filter(|name| !name.is_empty());
                let application =
                    application.unwrap_or_else(|| "a session without a name".to_owned());
                format!("{application} (process {pid})").into()
            });
            let row = HeldRow {
                table: table.into(),
                holder,
                since: held_for.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            };
            held.0.insert(key, row);
        }
        Ok(held)
    }
}

impl Rebooking {
    /// For each booking, the first row of the database that it needs and somebody else holds for longer
    /// than a moment. Nothing is waited for.
    pub async fn held_rows(
        &self,
        bookings: &[&Booking],
    ) -> Result<Vec<Option<HeldRow>>, StoreError> {
        let held = self.store.held_rows(self.keys(bookings)).await?;
        let row = |booking: &&Booking| self.held_row(booking, &held).cloned();
        Ok(column(bookings, row))
    }

    fn keys<'a>(&'a self, bookings: &'a [&Booking]) -> Keys<'a> {
        let layers = distinct(bookings, |booking| &booking.layer.id);
        let limits = layers.iter().filter_map(|layer| self.limits.get(layer));
        Keys {
            subscriptions: distinct_pairs(bookings, |booking| subscription(booking)),
            layers: column(&layers, |layer| layer.as_str()),
            jobs: distinct(bookings, |booking| booking.layer.job.as_str()),
            folders: distinct(bookings, |booking| booking.layer.folder.as_str()),
            points: distinct_pairs(bookings, |booking| point(booking)),
            limits: each_once(limits.flatten().map(LimitId::as_str)),
            ..Keys::default()
        }
    }

    /// The first row that the booking needs and somebody else holds, in the order of locks.
    fn held_row<'a>(&self, booking: &Booking, held: &'a HeldRows) -> Option<&'a HeldRow> {
        let layer = booking.layer.id.as_str();
        let job = booking.layer.job.as_str();
        let limits = self.limits.get(&booking.layer.id).into_iter().flatten();
        let mut limits = limits.filter_map(|limit| held.get("limit_record", limit.as_str(), None));
        let (show, alloc) = subscription(booking);
        let (dept, dept_show) = point(booking);
        None.or_else(|| held.get("layer_stat", layer, None))
            .or_else(|| held.get("job_stat", job, None))
            .or_else(|| held.get("job", job, None))
            .or_else(|| limits.next())
            .or_else(|| held.get("subscription", show, Some(alloc)))
            .or_else(|| held.get("layer_resource", layer, None))
            .or_else(|| held.get("job_resource", job, None))
            .or_else(|| held.get("folder_resource", booking.layer.folder.as_str(), None))
            .or_else(|| held.get("point", dept, Some(dept_show)))
    }
}
