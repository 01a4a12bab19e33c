//! Writes of a booking: frames, procs and hosts first, the counters of the caps last.
//!
//! Invariant: everything is computed from the frames that did start, so a frame that changed since
//! it was read takes nothing.

use std::collections::BTreeMap;

use cue_domain::{Booking, HostIdle};

use crate::booking::{Booked, OpenBooking};
use crate::error::StoreError;
use crate::keys::column;
use crate::statements::{CHARGE_COUNTERS, START_FRAMES, query};

/// Keys of the counters that one layer's bookings in one allocation are charged to.
type Account<'a> = [&'a str; 6];

impl OpenBooking {
    /// Books the frames that are still as they were read, and charges the counters for them.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn book(&mut self, bookings: &[&Booking]) -> Result<Booked, StoreError> {
        let booked = self.start(bookings).await?;
        let bookings = bookings.iter().copied();
        self.charge(bookings.filter(|booking| booked.frames.contains_key(&booking.frame.id)))
            .await?;
        Ok(booked)
    }

    /// Starts the frames that are still as they were read: frames, procs and hosts, but no counter.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn start(&mut self, bookings: &[&Booking]) -> Result<Booked, StoreError> {
        let (tx, store) = self.parts();
        let query = query(&START_FRAMES)
            .bind(column(bookings, |booking| booking.frame.id.as_str()))
            .bind(column(bookings, |booking| booking.frame.version))
            .bind(column(bookings, |booking| booking.layer.id.as_str()))
            .bind(column(bookings, |booking| booking.layer.job.as_str()))
            .bind(column(bookings, |booking| booking.layer.show.as_str()))
            .bind(column(bookings, |booking| booking.host.id.as_str()))
            .bind(column(bookings, |booking| &*booking.host.name))
            .bind(column(bookings, |booking| booking.proc.as_str()))
            .bind(column(bookings, |booking| booking.reserved.cores.0))
            .bind(column(bookings, |booking| booking.reserved.memory.0))
            .bind(column(bookings, |booking| booking.reserved.gpus))
            .bind(column(bookings, |booking| booking.reserved.gpu_memory.0))
            .bind(store.rules.memory_used_min.0)
            .bind(column(bookings, |booking| booking.layer.folder.as_str()))
            .bind(column(bookings, |booking| booking.layer.dept.as_str()))
            .bind(store.rules.uncharged_exit_statuses.clone());
        let mut booked = Booked::default();
        for row in &store.meters.rows(&START_FRAMES, query, tx).await? {
            booked.at_ms = Some(row.get("booked_at_ms")?);
            let (frame, version) = (row.id("pk_frame")?, row.get("new_version")?);
            booked.frames.insert(frame, version);
            let (host, ledger) = (row.id("pk_host")?, row.idle()?);
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

    /// Charges the counters for bookings that were started. Their rows must be locked before.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn charge<'a>(
        &mut self,
        bookings: impl Iterator<Item = &'a Booking>,
    ) -> Result<(), StoreError> {
        let mut accounts: BTreeMap<Account<'a>, (i64, i64)> = BTreeMap::new();
        for booking in bookings {
            let layer = &booking.layer;
            let account = [
                layer.show.as_str(),
                booking.host.alloc.as_str(),
                layer.id.as_str(),
                layer.job.as_str(),
                layer.folder.as_str(),
                layer.dept.as_str(),
            ];
            let (cores, gpus) = accounts.entry(account).or_default();
            // Admission has added these up without an overflow.
            *cores = cores.saturating_add(booking.reserved.cores.0);
            *gpus = gpus.saturating_add(booking.reserved.gpus);
        }
        if accounts.is_empty() {
            return Ok(());
        }
        let keys = |at: usize| -> Vec<&str> { accounts.keys().map(|key| key[at]).collect() };
        let query = query(&CHARGE_COUNTERS)
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
