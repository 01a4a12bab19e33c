//! Requests of operators to Cuebot: retry, eat, kill.
//!
//! Invariant: the host is asked to kill a run before its frame may wait again, so that no frame is
//! launched beside a run of its own. A run that its host does not confirm to have killed is left alone.

use cue_domain::ids::{FrameId, JobId, ProcId};

use super::Cuebot;
use crate::completion::FrameState;
use crate::foreign::{self, Evicted, Run};
use crate::rqd::Kill;

const RUN_OF_FRAME: &str = include_str!("../../sql/cuebot/run_of_frame.sql");

impl Cuebot {
    /// Makes a frame run again; a run of it is killed and charged as status 500. Returns false if the
    /// run could not be killed, or has just ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retry(&self, frame: &FrameId) -> Result<bool, sqlx::Error> {
        let moved = self.stop(frame, foreign::TO_RETRY).await?;
        if moved {
            foreign::reopen_job(&self.pool, frame).await?;
        }
        Ok(moved)
    }

    /// Gives a frame up; a run of it is killed. Returns false if the run could not be killed, or has
    /// just ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn eat(&self, frame: &FrameId) -> Result<bool, sqlx::Error> {
        self.stop(frame, foreign::TO_EAT).await
    }

    /// Finishes a job by force and kills what runs of it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn kill_job(&self, job: &JobId) -> Result<Vec<Evicted>, sqlx::Error> {
        // The job is finished first, so none of its frames is launched again before its run is killed.
        let evicted = foreign::kill_job_with(&self.pool, job, self.accounting).await?;
        for run in &evicted {
            self.hosts.kill(&run.host, run.frame.as_str()).await;
        }
        Ok(evicted)
    }

    /// Moves a frame to another state, after its run, if it has one, was killed.
    async fn stop(&self, frame: &FrameId, to: (FrameState, i32)) -> Result<bool, sqlx::Error> {
        let run: Option<(String, String)> = sqlx::query_as(RUN_OF_FRAME)
            .bind(frame.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some((proc, host)) = run else {
            foreign::move_frame(&self.pool, frame, to.0).await?;
            return Ok(true);
        };
        if self.hosts.kill(&host, frame.as_str()).await != Kill::Killed {
            return Ok(false);
        }
        // The report of the kill may be faster, and then a new run is none of ours.
        let run = Run {
            frame,
            proc: Some(&ProcId::from(proc)),
            accounting: self.accounting,
        };
        if foreign::stop_by_hand(&self.pool, run, to).await?.is_none() {
            foreign::move_frame(&self.pool, frame, to.0).await?;
        }
        Ok(true)
    }
}
