//! What a booking writes: frames, procs and hosts first, the counters of the caps last.
//!
//! Invariant: everything is computed from the frames that did start, so a frame that changed since
//! it was read takes nothing.

use std::collections::{BTreeMap, HashSet};

use cue_domain::{FrameId, HostIdle};

use crate::booking::{BookRow, Booked, BookedFrame, OpenBooking};
use crate::error::StoreError;
use crate::rows::{get, id, idle};
use crate::statements::{CHARGE_COUNTERS, START_FRAMES};

/// What one layer takes in one allocation: the keys of its counters.
type Account<'a> = [&'a str; 6];

impl OpenBooking {
    /// Books the rows that are still as they were read, and charges the counters for them.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn book(&mut self, rows: &[BookRow]) -> Result<Booked, StoreError> {
        let booked = self.start(rows).await?;
        let started: HashSet<&FrameId> = booked.frames.iter().map(|frame| &frame.frame).collect();
        let rows = rows.iter().filter(|row| started.contains(&row.frame));
        self.charge(rows).await?;
        Ok(booked)
    }

    /// Starts the rows that are still as they were read: frames, procs and hosts, but no counter.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn start(&mut self, rows: &[BookRow]) -> Result<Booked, StoreError> {
        let name = START_FRAMES.name;
        let text = |of: fn(&BookRow) -> &str| {
            rows.iter()
                .map(|row| of(row).to_owned())
                .collect::<Vec<String>>()
        };
        let amount = |of: fn(&BookRow) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
        let (tx, store) = self.parts();
        let query = sqlx::query(START_FRAMES.sql)
            .bind(text(|row| row.frame.as_str()))
            .bind(rows.iter().map(|row| row.version).collect::<Vec<i32>>())
            .bind(text(|row| row.layer.as_str()))
            .bind(text(|row| row.job.as_str()))
            .bind(text(|row| row.show.as_str()))
            .bind(text(|row| row.host.as_str()))
            .bind(text(|row| &row.host_name))
            .bind(text(|row| row.proc.as_str()))
            .bind(amount(|row| row.reserved.cores.0))
            .bind(amount(|row| row.reserved.memory.0))
            .bind(amount(|row| row.reserved.gpus))
            .bind(amount(|row| row.reserved.gpu_memory.0))
            .bind(store.rules.memory_used_min.0)
            .bind(text(|row| row.folder.as_str()))
            .bind(text(|row| row.dept.as_str()))
            .bind(store.rules.uncharged_exit_statuses.clone());
        let mut booked = Booked::default();
        for row in &store.meters.rows(&START_FRAMES, query, tx).await? {
            booked.at_ms = Some(get(row, name, "booked_at_ms")?);
            booked.frames.push(BookedFrame {
                frame: id(row, name, "pk_frame")?,
                version: get(row, name, "new_version")?,
            });
            let (host, ledger) = (id(row, name, "pk_host")?, idle(row, name)?);
            booked.hosts.insert(host, HostIdle::from(ledger));
        }
        for (host, idle) in &mut booked.hosts {
            idle.withheld = self
                .idle
                .get(host)
                .map(|was| was.withheld)
                .unwrap_or_default();
        }
        Ok(booked)
    }

    /// Charges the counters for rows that were started. Their rows are to be locked before.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn charge<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a BookRow>,
    ) -> Result<(), StoreError> {
        let mut accounts: BTreeMap<Account<'a>, (i64, i64)> = BTreeMap::new();
        for row in rows {
            let account = [
                row.show.as_str(),
                row.alloc.as_str(),
                row.layer.as_str(),
                row.job.as_str(),
                row.folder.as_str(),
                row.dept.as_str(),
            ];
            let (cores, gpus) = accounts.entry(account).or_default();
            // Admission has added these up without an overflow.
            *cores = cores.saturating_add(row.reserved.cores.0);
            *gpus = gpus.saturating_add(row.reserved.gpus);
        }
        if accounts.is_empty() {
            return Ok(());
        }
        let keys =
            |at: usize| -> Vec<String> { accounts.keys().map(|key| key[at].to_owned()).collect() };
        let query = sqlx::query(CHARGE_COUNTERS.sql)
            .bind(keys(0))
            .bind(keys(1))
            .bind(keys(2))
            .bind(keys(3))
            .bind(keys(4))
            .bind(keys(5))
            .bind(accounts.values().map(|sums| sums.0).collect::<Vec<i64>>())
            .bind(accounts.values().map(|sums| sums.1).collect::<Vec<i64>>());
        let (tx, store) = self.parts();
        store.meters.rows(&CHARGE_COUNTERS, query, tx).await?;
        Ok(())
    }
}
