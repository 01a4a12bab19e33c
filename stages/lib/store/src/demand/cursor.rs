//! The place of a look in the history of the database, and the jobs that it knew.

use std::collections::HashSet;

use cue_domain::JobId;
use cue_domain::demand::WaitingJob;
use cue_domain::ids::FolderId;
use cue_domain::job::Room;

use crate::horizon::Horizon;

/// Jobs that a look and those before it have found.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Jobs that were returned.
    returned: HashSet<JobId>,
    /// Jobs that were left out because their rows cannot be read.
    left_out: HashSet<JobId>,
    /// Folders with caps.
    capped: HashSet<FolderId>,
}

impl Known {
    /// Adds a job, and returns true if it is new.
    pub(super) fn add(&mut self, job: &WaitingJob) -> bool {
        if job.folder_room != Room::default() {
            self.capped.insert(job.folder.clone());
        } else {
            self.capped.remove(&job.folder);
        }
        self.left_out.remove(&job.id);
        self.returned.insert(job.id.clone())
    }

    /// Leaves a job out, and returns true if it was returned before.
    pub(super) fn leave_out(&mut self, job: &JobId) -> bool {
        self.left_out.insert(job.clone());
        self.returned.remove(job)
    }

    /// Removes a job, and returns true if it was returned before.
    pub(super) fn remove(&mut self, job: &JobId) -> bool {
        self.left_out.remove(job);
        self.returned.remove(job)
    }

    /// Returns true if this is the number of jobs that are known.
    pub(super) fn are(&self, count: i64) -> bool {
        let known = self.returned.len().saturating_add(self.left_out.len());
        usize::try_from(count).is_ok_and(|count| count == known)
    }

    /// Ids of all jobs that are known.
    pub(super) fn ids(&self) -> Vec<String> {
        let all = self.returned.iter().chain(&self.left_out);
        all.map(|id| id.as_str().to_owned()).collect()
    }

    /// Ids of the folders that had caps when they were read last.
    pub(super) fn capped_folders(&self) -> Vec<String> {
        let all = self.capped.iter();
        all.map(|id| id.as_str().to_owned()).collect()
    }
}

/// The place of a look, from which the next one goes on. The default has seen nothing yet.
#[derive(Clone, Debug, Default)]
pub struct DemandCursor(Option<Seen>);

#[derive(Clone, Debug)]
struct Seen {
    horizon: Horizon,
    facility: Option<String>,
    known: Known,
}

impl DemandCursor {
    pub(super) fn new(horizon: Horizon, facility: Option<&str>, known: Known) -> Self {
        Self(Some(Seen {
            horizon,
            facility: facility.map(str::to_owned),
            known,
        }))
    }

    /// The oldest transaction that was seen running and the jobs that were known, if a snapshot with this horizon can
    /// say what changed since.
    pub(super) fn usable(&self, now: &Horizon, facility: Option<&str>) -> Option<(i64, &Known)> {
        let seen = self.0.as_ref()?;
        let then = &seen.horizon;
        let usable = seen.facility.as_deref() == facility && now.continues(then);
        usable.then_some((then.oldest, &seen.known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_use_for_the_same_facility() {
        let horizon = Horizon {
            oldest: 100,
            next: 120,
            server: "monday".to_owned(),
        };
        let yard = Some("yard");
        let cursor = DemandCursor::new(horizon.clone(), yard, Known::default());
        assert!(cursor.usable(&horizon, yard).is_some());
        assert!(cursor.usable(&horizon, None).is_none());
        assert!(DemandCursor::default().usable(&horizon, yard).is_none());
    }
}
