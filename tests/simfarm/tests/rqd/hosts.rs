//! A client of simulated hosts, made of nothing but the generated one.

use cue_proto::rqd::rqd_interface_client::RqdInterfaceClient;
use cue_proto::rqd::{
    RqdStaticGetRunningFrameStatusRequest, RqdStaticKillRunningFrameRequest,
    RqdStaticLaunchFrameRequest, RunFrame,
};
use cue_simfarm::rqd::{SimRqd, SimRqdSettings};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// The farm's hosts, as a client that is connected to all of them.
pub struct Hosts(pub Channel);

impl Hosts {
    pub fn of(farm: &SimRqd) -> Self {
        let address = format!("http://{}", farm.address());
        Self(Endpoint::from_shared(address).unwrap().connect_lazy())
    }

    pub fn rqd(&self) -> RqdInterfaceClient<Channel> {
        RqdInterfaceClient::new(self.0.clone())
    }

    pub async fn launch(&self, host: &str, frame: RunFrame) -> Result<(), Status> {
        let request = to(
            host,
            RqdStaticLaunchFrameRequest {
                run_frame: Some(frame),
            },
        );
        self.rqd().launch_frame(request).await.map(drop)
    }

    pub async fn kill(&self, host: &str, frame_id: &str, message: &str) -> Result<(), Status> {
        let (frame_id, message) = (frame_id.to_owned(), message.to_owned());
        let request = to(host, RqdStaticKillRunningFrameRequest { frame_id, message });
        self.rqd().kill_running_frame(request).await.map(drop)
    }

    /// The proc that the host runs the frame as.
    pub async fn proc(&self, host: &str, frame_id: &str) -> Result<String, Status> {
        let frame_id = frame_id.to_owned();
        let request = to(host, RqdStaticGetRunningFrameStatusRequest { frame_id });
        let answer = self.rqd().get_running_frame_status(request).await?;
        Ok(answer.into_inner().running_frame_info.unwrap().resource_id)
    }
}

pub fn to<T>(host: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("cue-host", host.parse().unwrap());
    request
}

pub fn frame(id: &str) -> RunFrame {
    RunFrame {
        frame_id: id.to_owned(),
        frame_name: "0001-layer".to_owned(),
        resource_id: format!("proc-of-{id}"),
        job_id: "job".to_owned(),
        layer_id: "layer".to_owned(),
        num_cores: 100,
        hard_memory_limit: 8_388_608,
        ..RunFrame::default()
    }
}

pub fn code(result: Result<(), Status>) -> Code {
    result.map_or_else(|status| status.code(), |()| Code::Ok)
}

pub fn start(settings: SimRqdSettings) -> (SimRqd, Hosts) {
    let farm = SimRqd::start(settings).unwrap();
    let hosts = Hosts::of(&farm);
    (farm, hosts)
}
