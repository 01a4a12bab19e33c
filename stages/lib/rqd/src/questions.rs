//! The question to a host about its frames.

use cue_proto::rqd::RqdStaticReportStatusRequest;

use crate::call_error::CallError;
use crate::client::{RqdClient, with};
use crate::host_frames::HostFrames;

/// Limit of one report, in bytes. A report describes every process of every frame, which passes
/// gRPC's own limit of 4 MiB on a busy host.
const REPORT_BYTES: usize = 64 << 20;

impl RqdClient {
    /// Asks a host for all its frames, in one call. The Python RQD answers no question about a single frame
    /// (OPENCUE.md, Launch answers).
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
}
