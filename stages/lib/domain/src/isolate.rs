//! Isolation: the rows of a refused batch that are tried together, and the rows that back off in the end.
//!
//! A batch that fails as a whole is split: by layers, and a layer that fails alone by hosts and then by
//! rows, so that it is known whether the layer, one of the hosts or one row is at fault. Groups that
//! succeed are committed at once. One bad layer among `n` layers, with `m` rows, costs at most
//! `2 log2 n + 2 log2 m` transactions more than none.
//!
//! Invariant: pure, without a clock. Every row ends in a group that succeeded, in a failure, or is excluded;
//! and a failure never holds rows of a layer all of whose rows are sound.

mod suspects;

use std::collections::BTreeSet;

pub use suspects::{Evidence, Suspects};

/// Keys of a row, which is known by its index: its layer and its host, numbered by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The layer.
    pub layer: usize,
    /// The host.
    pub host: usize,
}

/// Way to split a group that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// In halves, down to the rows.
    Halves,
    /// Into its layers and no further: each failure takes long, so there must be few of them.
    Layers,
}

/// Rows that are tried in one transaction.
#[derive(Debug)]
pub struct Group<E> {
    /// Indices of the rows, ascending.
    pub rows: Vec<usize>,
    half: Half<E>,
}

/// The part of a single layer's rows that a group is.
#[derive(Debug)]
enum Half<E> {
    /// Not a part of a layer that was split.
    Whole,
    /// The first half; the second one follows it.
    First,
    /// The second half, with rows and error of the first one if that failed.
    Second(Option<(Vec<usize>, E)>),
}

/// Rows of one layer that failed together and are not split any further.
#[derive(Debug)]
pub struct Failure<E> {
    /// The layer.
    pub layer: usize,
    /// The rows.
    pub rows: Vec<usize>,
    /// The error of the last try.
    pub error: E,
}

/// The state of a batch that is being booked.
#[derive(Debug)]
pub struct Isolation<E> {
    rows: Vec<Row>,
    /// Groups to try, the next one last.
    groups: Vec<Group<E>>,
    failures: Vec<Failure<E>>,
}

impl<E> Isolation<E> {
    /// A batch of these rows, which is tried as a whole first.
    pub fn new(rows: Vec<Row>) -> Self {
        Self::with_failed_before(rows, &BTreeSet::new())
    }

    /// A batch of these rows. Each layer that failed before is tried by itself, after the others.
    pub fn with_failed_before(rows: Vec<Row>, failed_before: &BTreeSet<usize>) -> Self {
        let (apart, together): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|index| {
            rows.get(*index)
                .is_some_and(|row| failed_before.contains(&row.layer))
        });
        let mut isolation = Self {
            groups: Vec::new(),
            rows,
            failures: Vec::new(),
        };
        isolation.push_layers(&apart);
        isolation.push(together, Half::Whole);
        isolation
    }

    /// Takes the next group to try. Its outcome must be recorded before the next group is taken.
    pub fn next_group(&mut self) -> Option<Group<E>> {
        loop {
            let group = self.groups.pop()?;
            if !group.rows.is_empty() {
                return Some(group);
            }
            self.succeeded(group);
        }
    }

    /// Gives back a group that must be tried again, perhaps with fewer rows.
    pub fn again(&mut self, group: Group<E>) {
        self.groups.push(group);
    }

    /// Records that a group succeeded, or has nothing left to try.
    pub fn succeeded(&mut self, group: Group<E>) {
        if let Half::Second(Some((first, error))) = group.half {
            self.narrow(first, error);
        }
    }

    /// Records that a group failed.
    pub fn failed(&mut self, group: Group<E>, error: E, split: Split) {
        let Group { mut rows, half } = group;
        let layers = self.distinct(&rows, |row| row.layer);
        if layers.len() > 1 {
            match split {
                Split::Halves => {
                    let (first, second) = self.halves(&rows, &layers, |row| row.layer);
                    self.push(second, Half::Whole);
                    self.push(first, Half::Whole);
                }
                Split::Layers => self.push_layers(&rows),
            }
            return;
        }
        match (split, half) {
            (_, Half::Second(Some((first, _)))) => {
                rows.splice(0..0, first);
                rows.sort_unstable();
                self.fail(rows, error);
            }
            (Split::Layers, _) => self.fail(rows, error),
            (Split::Halves, Half::First) => {
                if let Some(Group {
                    half: Half::Second(of_first),
                    ..
                }) = self.groups.last_mut()
                {
                    *of_first = Some((rows, error));
                } else {
                    self.narrow(rows, error);
                }
            }
            (Split::Halves, Half::Whole | Half::Second(None)) => self.narrow(rows, error),
        }
    }

    /// Leaves out all rows of a layer that are still to be tried.
    pub fn exclude_layer(&mut self, layer: usize) {
        self.exclude(|row| row.layer == layer);
    }

    /// Leaves out all rows on a host that are still to be tried.
    pub fn exclude_host(&mut self, host: usize) {
        self.exclude(|row| row.host == host);
    }

    /// The failures so far, in the order in which they were found.
    pub fn failures(&self) -> &[Failure<E>] {
        &self.failures
    }

    /// The failures, when nothing is left to try.
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure<E>> {
        self.failures
    }

    /// Splits rows of a single layer that failed, or records the failure of a single row.
    fn narrow(&mut self, rows: Vec<usize>, error: E) {
        if rows.len() <= 1 {
            self.fail(rows, error);
            return;
        }
        let hosts = self.distinct(&rows, |row| row.host);
        let (first, second) = if hosts.len() > 1 {
            self.halves(&rows, &hosts, |row| row.host)
        } else {
            let (first, second) = rows.split_at(rows.len() / 2);
            (first.to_vec(), second.to_vec())
        };
        self.push(second, Half::Second(None));
        self.push(first, Half::First);
    }

    fn fail(&mut self, rows: Vec<usize>, error: E) {
        let Some(first) = rows.first() else { return };
        self.failures.push(Failure {
            layer: self.row(*first).layer,
            rows,
            error,
        });
    }

    fn exclude(&mut self, of: impl Fn(Row) -> bool) {
        let (groups, all) = (&mut self.groups, &self.rows);
        let keep = |index: &usize| all.get(*index).is_some_and(|row| !of(*row));
        for group in groups {
            group.rows.retain(keep);
            if let Half::Second(Some((first, _))) = &mut group.half {
                first.retain(keep);
            }
        }
    }

    /// Each layer of the rows as a group of its own.
    fn push_layers(&mut self, rows: &[usize]) {
        let layers = self.distinct(rows, |row| row.layer);
        for layer in layers.into_iter().rev() {
            let of_layer = |index: &usize| self.row(*index).layer == layer;
            let part = rows.iter().copied().filter(of_layer).collect();
            self.push(part, Half::Whole);
        }
    }

    fn push(&mut self, rows: Vec<usize>, half: Half<E>) {
        self.groups.push(Group { rows, half });
    }

    fn row(&self, index: usize) -> Row {
        let none = Row { layer: 0, host: 0 };
        self.rows.get(index).copied().unwrap_or(none)
    }

    fn distinct(&self, rows: &[usize], key: fn(Row) -> usize) -> Vec<usize> {
        let keys: BTreeSet<usize> = rows.iter().map(|index| key(self.row(*index))).collect();
        keys.into_iter().collect()
    }

    /// The rows whose key is in the first half of the keys, and the others.
    fn halves(
        &self,
        rows: &[usize],
        keys: &[usize],
        key: fn(Row) -> usize,
    ) -> (Vec<usize>, Vec<usize>) {
        let middle = keys.get(keys.len() / 2).copied().unwrap_or_default();
        rows.iter()
            .partition(|index| key(self.row(**index)) < middle)
    }
}

#[cfg(test)]
mod tests;
