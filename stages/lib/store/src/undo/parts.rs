//! An undo in parts: a booking that cannot be taken back keeps no other one booked.

use std::collections::HashSet;

use cue_domain::ProcId;
use cue_domain::isolate::{Group, Isolation, Row, Split};

use super::{HeldProc, Undone, held_proc};
use crate::error::{ErrorClass, StoreError};
use crate::held::{HeldRows, Keys};
use crate::keys::{column, distinct, distinct_pairs};
use crate::pool::Store;
use crate::statements::{UNDO_KEYS, query};
use crate::unlaunched::Unlaunched;

/// Transactions of one undo that may end in a conflict, or time out.
const TRIES: u32 = 5;

/// Bookings that are being taken back.
pub(super) struct Parts<'a> {
    store: &'a Store,
    all: &'a [Unlaunched],
    isolation: Isolation<StoreError>,
    undone: Undone,
    /// Procs that are gone, or that were never there.
    settled: HashSet<ProcId>,
    tries: u32,
}

impl<'a> Parts<'a> {
    pub(super) fn new(store: &'a Store, all: &'a [Unlaunched]) -> Self {
        let row = |index| Row {
            layer: index,
            host: index,
        };
        Self {
            store,
            all,
            isolation: Isolation::new((0..all.len()).map(row).collect()),
            undone: Undone::default(),
            settled: HashSet::new(),
            tries: 0,
        }
    }

    /// Takes back what can be taken back.
    pub(super) async fn take_back(mut self) -> Result<Undone, StoreError> {
        let mut ended = None;
        while let Some(group) = self.isolation.next_group() {
            if let Err(error) = self.try_group(group).await {
                ended = Some(error);
                break;
            }
        }
        let first = self.isolation.into_failures().into_iter().next();
        match ended.or(first.map(|failure| failure.error)) {
            Some(error) if self.settled.is_empty() => return Err(error),
            Some(error) => tracing::warn!(
                error = %error,
                bookings = self.all.len() - self.settled.len(),
                "bookings cannot be taken back yet; the others of the same undo are"
            ),
            None => {}
        }
        let procs = self.all.iter().map(|row| &row.proc);
        let postponed = procs.filter(|proc| !self.settled.contains(*proc));
        self.undone.postponed = postponed.cloned().collect();
        Ok(self.undone)
    }

    /// Tries a group. An error ends the undo: it is no row's.
    async fn try_group(&mut self, mut group: Group<StoreError>) -> Result<(), StoreError> {
        let rows = group.rows.iter().filter_map(|index| self.all.get(*index));
        let wanted: Vec<&Unlaunched> = rows.collect();
        let error = match self.store.try_undo(&wanted).await {
            Ok(of_part) => {
                let gone = |row: &&&Unlaunched| !of_part.postponed.contains(&row.proc);
                let gone = wanted.iter().filter(gone);
                self.settled.extend(gone.map(|row| row.proc.clone()));
                self.undone.procs.extend(of_part.procs);
                self.undone.hosts.extend(of_part.hosts);
                self.isolation.succeeded(group);
                return Ok(());
            }
            Err(error) => error,
        };
        let may_repeat = self.tries < TRIES;
        match error.class() {
            ErrorClass::Conflict if may_repeat => {
                self.tries += 1;
                tracing::debug!(error = %error, "an undo met a conflict and is tried again");
                self.isolation.again(group);
            }
            ErrorClass::Held if may_repeat => {
                self.tries += 1;
                let held = self.store.held_bookings(&wanted).await?;
                let is_free = |index: &usize| {
                    let row = self.all.get(*index);
                    row.is_some_and(|row| !held.contains(&row.proc))
                };
                group.rows.retain(is_free);
                self.isolation.again(group);
            }
            ErrorClass::TimedOut if may_repeat => {
                self.tries += 1;
                self.isolation.failed(group, error, Split::Layers);
            }
            ErrorClass::TimedOut => return Err(error),
            // It comes again and again: it may be a row's.
            ErrorClass::Conflict | ErrorClass::Held => {
                self.isolation.failed(group, error, Split::Halves);
            }
            _ if error.may_be_of_a_row() => self.isolation.failed(group, error, Split::Halves),
            _ => return Err(error),
        }
        Ok(())
    }
}

impl Store {
    /// Takes bookings back, all in one transaction, and without those that cannot be where that fails.
    ///
    /// # Errors
    /// A statement failed for a cause that is no row's; nothing was taken back.
    pub async fn undo(&self, unlaunched: &[Unlaunched]) -> Result<Undone, StoreError> {
        Parts::new(self, unlaunched).take_back().await
    }

    /// The procs of those bookings for which somebody else holds a row. Nothing is waited for.
    async fn held_bookings(
        &self,
        unlaunched: &[&Unlaunched],
    ) -> Result<HashSet<ProcId>, StoreError> {
        let query = query(&UNDO_KEYS)
            .bind(column(unlaunched, |row| row.proc.as_str()))
            .bind(column(unlaunched, |row| row.frame.as_str()));
        let rows = self.fetch(&UNDO_KEYS, query).await?;
        let procs = rows.iter().map(held_proc);
        let procs = procs.collect::<Result<Vec<_>, _>>()?;
        let keys = keys(&procs);
        let held = self.held_rows(keys).await?;
        let procs = procs.iter().filter(|row| needs_held(row, &held));
        Ok(procs.map(|row| ProcId::from(row.proc.as_str())).collect())
    }
}

/// Keys of the rows that an undo of these procs needs.
fn keys(procs: &[HeldProc]) -> Keys<'_> {
    Keys {
        subscriptions: distinct_pairs(procs, |row| (&row.show, &row.alloc)),
        layers: distinct(procs, |row| row.layer.as_str()),
        jobs: distinct(procs, |row| row.job.as_str()),
        folders: distinct(procs, |row| row.folder.as_str()),
        points: distinct_pairs(procs, |row| (&row.dept, &row.show)),
        frames: distinct(procs, |row| row.frame.as_str()),
        procs: distinct(procs, |row| row.proc.as_str()),
        hosts: distinct(procs, |row| row.host.as_str()),
        ..Keys::default()
    }
}

/// Returns true if an undo needs a row that is held.
fn needs_held(row: &HeldProc, held: &HeldRows) -> bool {
    let alone = [
        ("layer_stat", &row.layer),
        ("job_stat", &row.job),
        ("job", &row.job),
        ("layer_resource", &row.layer),
        ("job_resource", &row.job),
        ("folder_resource", &row.folder),
        ("frame", &row.frame),
        ("proc", &row.proc),
        ("host", &row.host),
    ];
    let pairs = [
        ("subscription", &row.show, &row.alloc),
        ("point", &row.dept, &row.show),
    ];
    let alone = alone.iter().map(|(table, id)| held.get(table, id, None));
    let pairs = pairs
        .iter()
        .map(|(table, id, other)| held.get(table, id, Some(other)));
    alone.chain(pairs).any(|found| found.is_some())
}
