//! A climb: the hosts of one ladder at or above a floor, best first.
//!
//! No lock is held between two steps, so a climb can be left alone for any time. It sees every host
//! that stands where it is from the first step to the last; one that is moved meanwhile it may miss
//! or see as it was.
//!
//! Invariant: the ranks it yields ascend.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::bucket::{Bucket, Candidate, Floor};
use crate::shelves::Ladder;

/// How many hosts are taken out of a bucket under one hold of its lock, at most. The first time it
/// is one, for that one mostly fits.
const MOST_AT_ONCE: usize = 64;

pub(crate) struct Climb {
    ladder: Arc<Ladder>,
    floor: Floor,
    /// The bucket it is in.
    at: Option<At>,
    page: VecDeque<Arc<Candidate>>,
    width: usize,
}

struct At {
    cores: i64,
    bucket: Arc<Bucket>,
    after: Option<(i64, u64)>,
    /// Nothing comes after the page.
    exhausted: bool,
    /// The last one was asked for.
    asked: bool,
}

impl Climb {
    pub(crate) fn new(ladder: Arc<Ladder>, floor: Floor) -> Self {
        Self {
            ladder,
            floor,
            at: None,
            page: VecDeque::new(),
            width: 1,
        }
    }

    /// Passes over the rest of the bucket of the host that came last.
    pub(crate) fn leave_bucket(&mut self) {
        self.page.clear();
        if let Some(at) = &mut self.at {
            at.exhausted = true;
        }
    }

    /// The last host of the bucket it is in; once a bucket, and then `None`.
    pub(crate) fn last_of_bucket(&mut self) -> Option<Arc<Candidate>> {
        let at = self.at.as_mut().filter(|at| !at.asked)?;
        at.asked = true;
        at.bucket.last(&self.floor)
    }

    /// Goes to the next bucket that is not empty, if there is one.
    fn go_on(&mut self) -> Option<()> {
        let cores = self.at.as_ref().map(|at| at.cores);
        let (cores, bucket) = self.ladder.next(cores, self.floor.cores)?;
        self.at = Some(At {
            cores,
            bucket,
            after: None,
            exhausted: false,
            asked: false,
        });
        Some(())
    }

    /// Fills the page from the bucket it is in.
    fn fill(&mut self) {
        let Some(at) = &mut self.at else { return };
        at.bucket
            .page(&self.floor, at.after, self.width, &mut self.page);
        at.exhausted = self.page.len() < self.width;
        at.after = self
            .page
            .back()
            .map(|last| (last.rank.memory, last.rank.slot));
        self.width = (self.width * 2).min(MOST_AT_ONCE);
    }
}

impl Iterator for Climb {
    type Item = Arc<Candidate>;

    fn next(&mut self) -> Option<Arc<Candidate>> {
        loop {
            if let Some(candidate) = self.page.pop_front() {
                return Some(candidate);
            }
            if self.at.as_ref().is_none_or(|at| at.exhausted) {
                self.go_on()?;
            }
            self.fill();
        }
    }
}
