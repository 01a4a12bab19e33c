//! Procs that no report names any more (OPENCUE.md, Release).

use std::time::Duration;

use super::Cuebot;
use crate::completion::FrameState;
use crate::foreign::{self, Lost};
use crate::rqd::Kill;

const SILENT_PROCS: &str = include_str!("../../sql/cuebot/silent_procs.sql");

/// The status of a frame whose proc was an orphan.
const ORPHAN: i32 = 301;
/// The status of a frame whose run could not be killed.
const FAILED_KILL: i32 = 302;
/// The status of a frame whose host went down.
const HOST_DOWN: i32 = 399;

/// Columns of [`SILENT_PROCS`]: proc, host, frame, its version, whether the host is known to be down, and
/// whether the proc has been silent for too long.
type Silent = (String, String, Option<String>, Option<i32>, bool, bool);

/// Outcome of a pass over silent procs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Procs released whose frames wait again.
    pub cleared: usize,
    /// Procs left alone, because their hosts did not confirm the kill.
    pub deferred: usize,
    /// Procs released whose frames are DEAD, because nothing could be confirmed for too long.
    pub parked: usize,
}

impl Cuebot {
    /// Clears procs that have been silent for `silent`: the run is killed first, and only a confirmed
    /// kill or a host that is known to be down lets the frame wait again. After `hopeless` without a
    /// report the frame is parked as DEAD. Cuebot's own times are 300 s and 1,200 s
    /// (OPENCUE.md, Release).
    ///
    /// # Errors
    /// The database failed.
    pub async fn clear_orphans(
        &self,
        silent: Duration,
        hopeless: Duration,
    ) -> Result<Orphans, sqlx::Error> {
        let mut seen = Orphans::default();
        let rows: Vec<Silent> = sqlx::query_as(SILENT_PROCS)
            .bind(silent.as_secs_f64())
            .bind(hopeless.as_secs_f64())
            .fetch_all(&self.pool)
            .await?;
        for (proc, host, frame, version, dead, given_up) in rows {
            let kill = match &frame {
                Some(frame) => self.hosts.kill(&host, frame).await,
                None => Kill::NotThere,
            };
            let to = match kill {
                Kill::Killed | Kill::NotThere => (FrameState::Waiting, ORPHAN),
                Kill::Unconfirmed if dead => (FrameState::Waiting, HOST_DOWN),
                Kill::Unconfirmed if given_up => (FrameState::Dead, FAILED_KILL),
                Kill::Unconfirmed => {
                    seen.deferred += 1;
                    continue;
                }
            };
            match to.0 {
                FrameState::Dead => seen.parked += 1,
                _ => seen.cleared += 1,
            }
            let lost: Lost = (proc, host, frame, version);
            foreign::clear_lost(&self.pool, lost, to, self.accounting).await?;
        }
        Ok(seen)
    }
}
