//! Somebody between the scheduler and the hosts who holds launches back.
//!
//! A held launch is never answered. It arrives when the middleman lets it go, long after the
//! sender has stopped waiting. All other calls go through at once.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use cue_proto::rqd::rqd_interface_client::RqdInterfaceClient;
use cue_proto::rqd::rqd_interface_server::{RqdInterface, RqdInterfaceServer};
use cue_proto::rqd::{
    RqdStaticGetRunningFrameStatusRequest, RqdStaticGetRunningFrameStatusResponse,
    RqdStaticKillRunningFrameRequest, RqdStaticKillRunningFrameResponse,
    RqdStaticLaunchFrameRequest, RqdStaticLaunchFrameResponse, RqdStaticReportStatusRequest,
    RqdStaticReportStatusResponse,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Server, server::TcpIncoming};
use tonic::{Extensions, Request, Response, Status};

type Held = (MetadataMap, RqdStaticLaunchFrameRequest);

#[derive(Clone)]
struct Relay {
    hosts: RqdInterfaceClient<Channel>,
    holds: Arc<watch::Sender<bool>>,
    held: Arc<Mutex<Vec<Held>>>,
}

/// The middleman. Dropping it ends it.
pub struct Middleman {
    address: SocketAddr,
    relay: Relay,
    _task: JoinSet<()>,
}

impl Middleman {
    /// Stands before the hosts at `hosts` and holds launches back.
    pub async fn before(hosts: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{hosts}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        let relay = Relay {
            hosts: RqdInterfaceClient::new(channel),
            holds: Arc::new(watch::Sender::new(true)),
            held: Arc::default(),
        };
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = RqdInterfaceServer::new(relay.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let server = Server::builder().serve_with_incoming(service, incoming);
            server.await.unwrap();
        });
        Self {
            address,
            relay,
            _task: task,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of launches that are held.
    pub fn held(&self) -> usize {
        self.relay.held.lock().unwrap().len()
    }

    /// Delivers what is held, and holds nothing back any more.
    pub async fn let_go(&self) {
        self.relay.holds.send_replace(false);
        let held = std::mem::take(&mut *self.relay.held.lock().unwrap());
        for (headers, message) in held {
            let late = Request::from_parts(headers, Extensions::default(), message);
            self.relay.hosts.clone().launch_frame(late).await.unwrap();
        }
    }
}

/// The headers that mean something to the hosts.
fn passed_on<T>(request: Request<T>) -> Request<T> {
    let (mut headers, _, message) = request.into_parts();
    let mut kept = MetadataMap::new();
    for name in ["cue-host", "traceparent"] {
        if let Some(value) = headers.remove(name) {
            kept.insert(name, value);
        }
    }
    Request::from_parts(kept, Extensions::default(), message)
}

#[tonic::async_trait]
impl RqdInterface for Relay {
    async fn launch_frame(
        &self,
        request: Request<RqdStaticLaunchFrameRequest>,
    ) -> Result<Response<RqdStaticLaunchFrameResponse>, Status> {
        let request = passed_on(request);
        if *self.holds.borrow() {
            let (headers, _, message) = request.into_parts();
            self.held.lock().unwrap().push((headers, message));
            return std::future::pending().await;
        }
        self.hosts.clone().launch_frame(request).await
    }

    async fn kill_running_frame(
        &self,
        request: Request<RqdStaticKillRunningFrameRequest>,
    ) -> Result<Response<RqdStaticKillRunningFrameResponse>, Status> {
        self.hosts
            .clone()
            .kill_running_frame(passed_on(request))
            .await
    }

    async fn get_running_frame_status(
        &self,
        request: Request<RqdStaticGetRunningFrameStatusRequest>,
    ) -> Result<Response<RqdStaticGetRunningFrameStatusResponse>, Status> {
        self.hosts
            .clone()
            .get_running_frame_status(passed_on(request))
            .await
    }

    async fn report_status(
        &self,
        request: Request<RqdStaticReportStatusRequest>,
    ) -> Result<Response<RqdStaticReportStatusResponse>, Status> {
        self.hosts.clone().report_status(passed_on(request)).await
    }
}
