//! What operators ask of Cuebot: retry, eat, kill.
//!
//! Invariant: the host is asked to kill a run before its frame may wait again, so that no frame is
//! launched beside a run of its own. A run whose host does not answer is left alone.

use cue_domain::ids::{FrameId, JobId};

use super::Cuebot;
use crate::foreign::{self, Evicted};
use crate::rqd::Kill;

const HOST_OF_FRAME: &str = include_str!("../../sql/cuebot/host_of_frame.sql");

impl Cuebot {
    /// Makes a frame run again; a run of it is killed and charged as status 500. Returns false if the
    /// frame runs on a host that does not answer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn retry(&self, frame: &FrameId) -> Result<bool, sqlx::Error> {
        if self.kill(frame).await? == Kill::Unconfirmed {
            return Ok(false);
        }
        foreign::retry_frame_with(&self.pool, frame, self.accounting).await?;
        Ok(true)
    }

    /// Gives a frame up; a run of it is killed. Returns false if the frame runs on a host that does not
    /// answer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn eat(&self, frame: &FrameId) -> Result<bool, sqlx::Error> {
        if self.kill(frame).await? == Kill::Unconfirmed {
            return Ok(false);
        }
        foreign::eat_frame_with(&self.pool, frame, self.accounting).await?;
        Ok(true)
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

    /// Kills the run of a frame, if it has one.
    async fn kill(&self, frame: &FrameId) -> Result<Kill, sqlx::Error> {
        let host: Option<String> = sqlx::query_scalar(HOST_OF_FRAME)
            .bind(frame.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(match host {
            Some(host) => self.hosts.kill(&host, frame.as_str()).await,
            None => Kill::NotThere,
        })
    }
}
