//! Redirects: a proc is taken from its frame, and its host's room goes to a frame of another job
//! (OPENCUE.md, Who books what). Shows that a scheduler manages are no exception.

use cue_domain::ids::{FrameId, HostId, JobId, ProcId};
use cue_domain::units::{Centicores, Kib, Resources};
use cue_proto::rqd::RunFrame;

use super::Cuebot;
use crate::completion::FrameState;
use crate::foreign::{self, Booking, Run};

const REDIRECTED_PROC: &str = include_str!("../../sql/cuebot/redirected_proc.sql");
const NEXT_FRAME: &str = include_str!("../../sql/cuebot/next_frame.sql");

/// The state and status of a frame whose launch failed.
const CLEARED: (FrameState, i32) = (FrameState::Waiting, 299);

/// Columns of [`REDIRECTED_PROC`].
type Redirected = (String, i64, i64, i64, i64, Option<String>);

impl Cuebot {
    /// Redirects a proc to a job, and returns the proc that runs there now. `None` when the proc is
    /// gone, its run cannot be killed, or the job has no frame that could be booked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn redirect(&self, proc: &ProcId, job: &JobId) -> anyhow::Result<Option<ProcId>> {
        let found: Option<Redirected> = sqlx::query_as(REDIRECTED_PROC)
            .bind(proc.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some((host, cores, memory, gpus, gpu_memory, Some(frame))) = found else {
            return Ok(None);
        };
        if !self.retry(&FrameId::from(frame)).await? {
            return Ok(None);
        }
        let reserved = Resources {
            cores: Centicores(cores),
            memory: Kib(memory),
            gpus,
            gpu_memory: Kib(gpu_memory),
        };
        self.book(job, &host.into(), reserved).await
    }

    /// Books the next frame of a job on a host and launches it. `None` when there is none, or somebody
    /// or something is in the way.
    ///
    /// # Errors
    /// The database failed.
    pub async fn book(
        &self,
        job: &JobId,
        host: &HostId,
        reserved: Resources,
    ) -> anyhow::Result<Option<ProcId>> {
        let next: Option<(String, String, String, String)> = sqlx::query_as(NEXT_FRAME)
            .bind(job.as_str())
            .bind(host.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some((frame_id, frame_name, layer_id, name)) = next else {
            return Ok(None);
        };
        let frame = FrameId::from(frame_id.as_str());
        let booked =
            foreign::book_one_frame_like_cuebot(&self.pool, &frame, host, reserved).await?;
        let Booking::Booked(proc) = booked else {
            return Ok(None);
        };
        let run = RunFrame {
            resource_id: proc.to_string(),
            job_id: job.to_string(),
            frame_id,
            frame_name,
            layer_id,
            num_cores: i32::try_from(reserved.cores.0)?,
            ..RunFrame::default()
        };
        if self.hosts.launch(&name, run).is_err() {
            let run = Run {
                frame: &frame,
                proc: Some(&proc),
                accounting: self.accounting,
            };
            foreign::stop_by_hand(&self.pool, run, CLEARED).await?;
            return Ok(None);
        }
        Ok(Some(proc))
    }
}
