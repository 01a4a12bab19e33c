//! Questions to a host about its frames.
//!
//! There are two of them: about one frame (GetRunningFrameStatus) and about all (ReportStatus). The
//! Python RQD answers the first one with an error, always (OPENCUE.md, Launch answers). So a peer
//! that answers it with UNKNOWN or UNIMPLEMENTED is asked the second one instead until its connection
//! ends: only the peer's own words count, never an error of this side.

use cue_proto::report::RunningFrameInfo;
use cue_proto::rqd::{RqdStaticGetRunningFrameStatusRequest, RqdStaticReportStatusRequest};

use crate::call_error::CallError;
use crate::client::{RqdClient, with};
use crate::failure::Failure;
use crate::host_frames::HostFrames;

/// Limit of one report, in bytes. A report describes every process of every frame, which passes
/// gRPC's own limit of 4 MiB on a busy host.
const REPORT_BYTES: usize = 64 << 20;

impl RqdClient {
    /// Asks a host for a frame; `None` when it does not have it. The answer describes whichever
    /// run of the frame is there: compare its `resource_id`.
    ///
    /// # Errors
    /// The host did not answer.
    pub async fn running(
        &self,
        host_name: &str,
        frame_id: &str,
    ) -> Result<Option<RunningFrameInfo>, CallError> {
        let error = |failure| CallError::new(host_name, failure);
        if !self.only_reports(host_name).map_err(error)? {
            match self.frame_status(host_name, frame_id).await {
                Ok(answer) => return answer,
                Err(failure) if failure.is_no_such_question() => {
                    self.ask_for_reports_only(host_name).map_err(error)?;
                }
                Err(failure) => return Err(error(failure)),
            }
        }
        let mut frames = self.running_frames(host_name).await?;
        match frames.remove(frame_id) {
            Some(info) => Ok(Some(info)),
            None if frames.is_complete() => Ok(None),
            None => Err(CallError::Incomplete {
                host: host_name.to_owned(),
                frame: frame_id.to_owned(),
            }),
        }
    }

    /// Asks a host for all its frames, in one call.
    ///
    /// The question costs a host more than the one about a frame: it looks at all its processes.
    ///
    /// # Errors
    /// The host did not answer.
    pub async fn running_frames(&self, host_name: &str) -> Result<HostFrames, CallError> {
        let asked = self
            .call(host_name, |rqd, headers| {
                let mut rqd = rqd.max_decoding_message_size(REPORT_BYTES);
                let message = RqdStaticReportStatusRequest {};
                async move { rqd.report_status(with(headers, message)).await }
            })
            .await;
        match asked {
            Ok(answer) => match answer.host_report {
                Some(report) => Ok(report.into()),
                None => Err(CallError::NoReport {
                    host: host_name.to_owned(),
                }),
            },
            Err(failure) => Err(CallError::new(host_name, failure)),
        }
    }

    async fn frame_status(
        &self,
        host_name: &str,
        frame_id: &str,
    ) -> Result<Result<Option<RunningFrameInfo>, CallError>, Failure> {
        let asked = self
            .call(host_name, |mut rqd, headers| {
                let frame_id = frame_id.to_owned();
                let message = RqdStaticGetRunningFrameStatusRequest { frame_id };
                async move { rqd.get_running_frame_status(with(headers, message)).await }
            })
            .await;
        match asked {
            Ok(answer) => Ok(match answer.running_frame_info {
                Some(info) => Ok(Some(info)),
                None => Err(CallError::NoDescription {
                    host: host_name.to_owned(),
                    frame: frame_id.to_owned(),
                }),
            }),
            Err(failure) if failure.is_not_found() => Ok(Ok(None)),
            Err(failure) => Err(failure),
        }
    }
}
