//! The gRPC face of simulated hosts.
//!
//! Every call goes through [`Rqds::enter`], which finds out the host and lets faults that concern
//! all calls take effect. Operators' calls, such as locks and reboots, are answered UNIMPLEMENTED.

use std::sync::Arc;

use cue_proto::report::RunningFrameInfo;
use cue_proto::rqd::rqd_interface_server::RqdInterface;
use cue_proto::rqd::running_frame_server::RunningFrame;
use cue_proto::rqd::{
    RqdStaticGetRunningFrameStatusRequest, RqdStaticGetRunningFrameStatusResponse,
    RqdStaticKillRunningFrameRequest, RqdStaticKillRunningFrameResponse,
    RqdStaticLaunchFrameRequest, RqdStaticLaunchFrameResponse, RqdStaticReportStatusRequest,
    RqdStaticReportStatusResponse, RunningFrameKillRequest, RunningFrameKillResponse,
    RunningFrameStatusRequest, RunningFrameStatusResponse,
};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::farm::Farm;
use super::report;
use super::settings::{Fault, Program};
use super::words::Refusal;

/// The host that is meant when a call does not name one.
const DEFAULT_HOST: &str = "default";

/// All simulated hosts.
#[derive(Clone)]
pub(super) struct Rqds {
    farm: Arc<Farm>,
    stop: CancellationToken,
}

impl Rqds {
    pub(super) fn new(farm: Arc<Farm>, stop: CancellationToken) -> Self {
        Self { farm, stop }
    }

    /// The host a call is for and what is wrong with it.
    async fn enter(&self, metadata: &MetadataMap) -> Result<(String, Fault), Status> {
        let host = header(metadata, "cue-host")
            .unwrap_or(DEFAULT_HOST)
            .to_owned();
        let latency = self.farm.settings.latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let fault = self.farm.state().fault(&host);
        match fault {
            Fault::Stall => Err(self.stalled().await),
            Fault::Vanish => Err(Status::unavailable("there is no such host any more")),
            _ => Ok((host, fault)),
        }
    }

    /// Resolves when the farm stops; until then the caller gets no answer.
    async fn stalled(&self) -> Status {
        self.stop.cancelled().await;
        Status::unavailable("the simulated farm stops")
    }

    async fn kill_frame(
        &self,
        (host, fault): (&str, Fault),
        frame_id: &str,
        message: &str,
    ) -> Result<(), Status> {
        if message.is_empty() && self.program(host) == Program::Rust {
            return Err(Status::failed_precondition(
                "a kill needs a message that says why",
            ));
        }
        if fault != Fault::Unlisted && self.farm.kill(host, frame_id).await {
            Ok(())
        } else {
            Err(Status::not_found(format!(
                "there is no frame {frame_id} to kill"
            )))
        }
    }

    fn program(&self, host: &str) -> Program {
        self.farm.state().host(host).program
    }

    fn info(
        &self,
        (host, fault): (&str, Fault),
        frame_id: &str,
    ) -> Result<RunningFrameInfo, Status> {
        let program = self.program(host);
        let info = self.farm.info(host, frame_id);
        info.filter(|_| program != Program::Python && fault != Fault::Unlisted)
            .ok_or_else(|| program.no_such_frame(frame_id))
    }
}

#[tonic::async_trait]
impl RqdInterface for Rqds {
    async fn launch_frame(
        &self,
        request: Request<RqdStaticLaunchFrameRequest>,
    ) -> Result<Response<RqdStaticLaunchFrameResponse>, Status> {
        self.farm.count(|counts| counts.asked += 1);
        let (host, fault) = self.enter(request.metadata()).await?;
        match fault {
            Fault::RefuseForNow => return Err(self.program(&host).refuse(Refusal::Locked)),
            Fault::RefuseForRoom => return Err(self.program(&host).refuse(Refusal::Room)),
            Fault::RefuseForGood => return Err(self.program(&host).refuse(Refusal::NoCores)),
            _ => {}
        }
        let traceparent = header(request.metadata(), "traceparent").map(str::to_owned);
        let frame = request.into_inner().run_frame;
        let frame = frame.ok_or_else(|| Status::invalid_argument("there is no frame"))?;
        self.farm.launch(&host, frame, traceparent)?;
        match fault {
            Fault::DropReplyAfterLaunch => Err(Status::unavailable("the answer got lost")),
            Fault::StallAfterLaunch => Err(self.stalled().await),
            _ => Ok(Response::new(RqdStaticLaunchFrameResponse {})),
        }
    }

    async fn kill_running_frame(
        &self,
        request: Request<RqdStaticKillRunningFrameRequest>,
    ) -> Result<Response<RqdStaticKillRunningFrameResponse>, Status> {
        let (host, fault) = self.enter(request.metadata()).await?;
        let RqdStaticKillRunningFrameRequest { frame_id, message } = request.into_inner();
        self.kill_frame((&host, fault), &frame_id, &message).await?;
        Ok(Response::new(RqdStaticKillRunningFrameResponse {}))
    }

    async fn get_running_frame_status(
        &self,
        request: Request<RqdStaticGetRunningFrameStatusRequest>,
    ) -> Result<Response<RqdStaticGetRunningFrameStatusResponse>, Status> {
        let (host, fault) = self.enter(request.metadata()).await?;
        let running_frame_info = Some(self.info((&host, fault), &request.get_ref().frame_id)?);
        Ok(Response::new(RqdStaticGetRunningFrameStatusResponse {
            running_frame_info,
        }))
    }

    async fn report_status(
        &self,
        request: Request<RqdStaticReportStatusRequest>,
    ) -> Result<Response<RqdStaticReportStatusResponse>, Status> {
        let (host, fault) = self.enter(request.metadata()).await?;
        let mut report = report::of_host(self.farm.state().host(&host));
        if fault == Fault::Unlisted {
            report.frames.clear();
        }
        let host_report = Some(report);
        Ok(Response::new(RqdStaticReportStatusResponse { host_report }))
    }
}

#[tonic::async_trait]
impl RunningFrame for Rqds {
    async fn kill(
        &self,
        request: Request<RunningFrameKillRequest>,
    ) -> Result<Response<RunningFrameKillResponse>, Status> {
        let (host, fault) = self.enter(request.metadata()).await?;
        let RunningFrameKillRequest { run_frame, message } = request.into_inner();
        let frame_id = run_frame.unwrap_or_default().frame_id;
        self.kill_frame((&host, fault), &frame_id, &message).await?;
        Ok(Response::new(RunningFrameKillResponse {}))
    }

    async fn status(
        &self,
        request: Request<RunningFrameStatusRequest>,
    ) -> Result<Response<RunningFrameStatusResponse>, Status> {
        let (host, fault) = self.enter(request.metadata()).await?;
        let frame_id = request.into_inner().run_frame.unwrap_or_default().frame_id;
        let running_frame_info = Some(self.info((&host, fault), &frame_id)?);
        Ok(Response::new(RunningFrameStatusResponse {
            running_frame_info,
        }))
    }
}

fn header<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a str> {
    metadata.get(name)?.to_str().ok()
}
