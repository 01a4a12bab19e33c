//! Hosts for the tests: real servers that follow a script and remember what they were asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cue_proto::report::{CoreDetail, HostReport, RunningFrameInfo};
use cue_proto::rqd::rqd_interface_server::{RqdInterface, RqdInterfaceServer};
use cue_proto::rqd::{
    RqdStaticGetRunningFrameStatusRequest, RqdStaticGetRunningFrameStatusResponse,
    RqdStaticKillRunningFrameRequest, RqdStaticKillRunningFrameResponse,
    RqdStaticLaunchFrameRequest, RqdStaticLaunchFrameResponse, RqdStaticReportStatusRequest,
    RqdStaticReportStatusResponse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpConnectInfo;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// Reaction of a host to every call.
#[derive(Clone, Copy)]
pub enum Script {
    /// Says yes.
    Accept,
    /// Answers with a code.
    Answer(Code),
    /// Says nothing.
    Stall,
    /// Reports frame `f1`, as proc `p1` with one core, of these.
    Reports { booked_cores: i32 },
}

/// A call as it arrived.
#[derive(Clone)]
pub struct Call {
    pub frame: String,
    pub host: Option<String>,
    pub traceparent: Option<String>,
    pub has_deadline: bool,
    peer: Option<SocketAddr>,
}

/// A running server.
pub struct Host {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Host {
    /// Listens at a free port.
    pub async fn start(script: Script) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script).await
    }

    pub async fn start_at(address: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let service = RqdInterfaceServer::new(Scripted {
            script,
            calls: Arc::clone(&calls),
        });
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            Server::builder()
                .serve_with_incoming_shutdown(service, TcpIncoming::from(listener), async {
                    stopped.await.ok();
                })
                .await
                .unwrap();
        });
        Self {
            address,
            calls,
            stop,
            tasks,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Number of connections that calls came from.
    pub fn connections(&self) -> usize {
        let mut peers: Vec<_> = self.calls().into_iter().map(|call| call.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers.len()
    }

    /// Stops; when this returns every connection has ended.
    pub async fn stop(mut self) {
        self.stop.send(()).unwrap();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

struct Scripted {
    script: Script,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Scripted {
    async fn follow<T>(&self, request: &Request<T>, frame: &str) -> Result<(), Status> {
        let header = |name: &str| {
            let value = request.metadata().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let peer = request.extensions().get::<TcpConnectInfo>();
        self.calls.lock().unwrap().push(Call {
            frame: frame.to_owned(),
            host: header("cue-host"),
            traceparent: header("traceparent"),
            has_deadline: header("grpc-timeout").is_some(),
            peer: peer.and_then(TcpConnectInfo::remote_addr),
        });
        match self.script {
            Script::Accept | Script::Reports { .. } => Ok(()),
            Script::Answer(code) => Err(Status::new(code, "as the script says")),
            Script::Stall => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl RqdInterface for Scripted {
    async fn launch_frame(
        &self,
        request: Request<RqdStaticLaunchFrameRequest>,
    ) -> Result<Response<RqdStaticLaunchFrameResponse>, Status> {
        let frame = request.get_ref().run_frame.clone().unwrap_or_default();
        self.follow(&request, &frame.frame_id).await?;
        Ok(Response::new(RqdStaticLaunchFrameResponse {}))
    }

    async fn kill_running_frame(
        &self,
        request: Request<RqdStaticKillRunningFrameRequest>,
    ) -> Result<Response<RqdStaticKillRunningFrameResponse>, Status> {
        self.follow(&request, &request.get_ref().frame_id).await?;
        Ok(Response::new(RqdStaticKillRunningFrameResponse {}))
    }

    async fn get_running_frame_status(
        &self,
        _request: Request<RqdStaticGetRunningFrameStatusRequest>,
    ) -> Result<Response<RqdStaticGetRunningFrameStatusResponse>, Status> {
        Err(Status::unimplemented("no question is about one frame"))
    }

    async fn report_status(
        &self,
        request: Request<RqdStaticReportStatusRequest>,
    ) -> Result<Response<RqdStaticReportStatusResponse>, Status> {
        self.follow(&request, "").await?;
        let Script::Reports { booked_cores } = self.script else {
            let host_report = None;
            return Ok(Response::new(RqdStaticReportStatusResponse { host_report }));
        };
        let frame = RunningFrameInfo {
            frame_id: "f1".to_owned(),
            resource_id: "p1".to_owned(),
            num_cores: 100,
            ..Default::default()
        };
        let host_report = Some(HostReport {
            frames: vec![frame],
            core_info: Some(CoreDetail {
                booked_cores,
                ..Default::default()
            }),
            ..Default::default()
        });
        Ok(Response::new(RqdStaticReportStatusResponse { host_report }))
    }
}

/// A peer that takes one connection, reads until it has seen `last`, and hangs up.
pub async fn hangs_up_after_the_request(last: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // The task ends with its one connection, at the latest with the test's runtime.
    #[expect(clippy::disallowed_methods, reason = "the runtime of the test owns it")]
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // An empty SETTINGS frame: without it a client may hold its request back.
        stream
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        let mut seen = Vec::new();
        while !seen.windows(last.len()).any(|part| part == last) {
            if stream.read_buf(&mut seen).await.unwrap() == 0 {
                break;
            }
        }
    });
    address
}

/// A peer whose queue of connections is full: dialling it neither succeeds nor fails.
pub struct Full {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Full {
    pub async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        Self {
            listener,
            _queued: queued,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}
