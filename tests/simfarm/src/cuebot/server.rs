//! The side of Cuebot that RQDs call: a gRPC server on loopback for real daemons.
//!
//! It answers OK to every report, as Cuebot does, and remembers what each host said last. Ends of
//! frames become [`Completion`]s on a bounded channel: while it is full the daemon waits for its
//! answer. Away, it answers UNAVAILABLE to everything and remembers nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use cue_domain::Kib;
use cue_proto::report::rqd_report_interface_server::{
    RqdReportInterface, RqdReportInterfaceServer,
};
use cue_proto::report::{
    BootReport, FrameCompleteReport, HostReport, RqdReportRqdStartupRequest,
    RqdReportRqdStartupResponse, RqdReportRunningFrameCompletionRequest,
    RqdReportRunningFrameCompletionResponse, RqdReportStatusRequest, RqdReportStatusResponse,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::rqd::Completion;

/// Ends of frames that can wait to be taken.
const COMPLETIONS: usize = 1024;

/// A server that takes reports. Dropping it ends its server.
#[derive(Debug)]
pub struct ReportServer {
    address: SocketAddr,
    ears: Arc<Ears>,
    completions: Option<mpsc::Receiver<Completion>>,
    stop: CancellationToken,
    _server: JoinSet<()>,
}

/// The last words of a host.
#[derive(Clone, Debug, Default)]
struct Heard {
    boot: Option<BootReport>,
    report: Option<HostReport>,
}

#[derive(Debug)]
struct Ears {
    hosts: watch::Sender<HashMap<String, Heard>>,
    ends: mpsc::Sender<Completion>,
    away: AtomicBool,
}

impl ReportServer {
    /// Starts at a free port of loopback. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// No port is free.
    pub fn start() -> anyhow::Result<Self> {
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .context("no port on loopback for the report server")?;
        let address = incoming.local_addr().context("no address")?;
        let (ends, completions) = mpsc::channel(COMPLETIONS);
        let ears = Arc::new(Ears {
            hosts: watch::Sender::default(),
            ends,
            away: AtomicBool::new(false),
        });
        let stop = CancellationToken::new();
        let service = RqdReportInterfaceServer::from_arc(Arc::clone(&ears));
        let stopped = stop.clone().cancelled_owned();
        let serve = Server::builder().serve_with_incoming_shutdown(service, incoming, stopped);
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the report server stopped serving");
            }
        });
        Ok(Self {
            address,
            ears,
            completions: Some(completions),
            stop,
            _server: server,
        })
    }

    /// The address for reports.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The ends of frames, for the first caller. Without a receiver daemons get UNAVAILABLE for them.
    pub fn completions(&mut self) -> Option<mpsc::Receiver<Completion>> {
        self.completions.take()
    }

    /// Goes away, or comes back.
    pub fn set_away(&self, away: bool) {
        self.ears.away.store(away, Ordering::SeqCst);
    }

    /// Resolves when the host has started, with its boot report.
    pub async fn booted(&self, host: &str) -> BootReport {
        self.heard(host, |heard| heard.boot.clone()).await
    }

    /// Resolves when the host reports as wanted, also with its last report.
    pub async fn reported(&self, host: &str, wanted: impl Fn(&HostReport) -> bool) -> HostReport {
        let report = |heard: &Heard| heard.report.clone().filter(&wanted);
        self.heard(host, report).await
    }

    async fn heard<T>(&self, host: &str, find: impl Fn(&Heard) -> Option<T>) -> T {
        let mut hosts = self.ears.hosts.subscribe();
        loop {
            let found = hosts.borrow_and_update().get(host).and_then(&find);
            match found {
                Some(found) => return found,
                // The sender lives in `self`, so the wait does not end in its loss.
                None => hosts.changed().await.unwrap_or(()),
            }
        }
    }
}

impl Drop for ReportServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Ears {
    fn enter(&self) -> Result<(), Status> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Status::unavailable("Cuebot is away")),
            false => Ok(()),
        }
    }

    fn hear(&self, host: &str, hear: impl FnOnce(&mut Heard)) {
        self.hosts
            .send_modify(|hosts| hear(hosts.entry(host.to_owned()).or_default()));
    }
}

#[tonic::async_trait]
impl RqdReportInterface for Ears {
    async fn report_rqd_startup(
        &self,
        request: Request<RqdReportRqdStartupRequest>,
    ) -> Result<Response<RqdReportRqdStartupResponse>, Status> {
        self.enter()?;
        let report = request.into_inner().boot_report.unwrap_or_default();
        let host = report.host.clone().unwrap_or_default().name;
        self.hear(&host, |heard| heard.boot = Some(report));
        Ok(Response::new(RqdReportRqdStartupResponse {}))
    }

    async fn report_status(
        &self,
        request: Request<RqdReportStatusRequest>,
    ) -> Result<Response<RqdReportStatusResponse>, Status> {
        self.enter()?;
        let report = request.into_inner().host_report.unwrap_or_default();
        let host = report.host.clone().unwrap_or_default().name;
        self.hear(&host, |heard| heard.report = Some(report));
        Ok(Response::new(RqdReportStatusResponse {}))
    }

    async fn report_running_frame_completion(
        &self,
        request: Request<RqdReportRunningFrameCompletionRequest>,
    ) -> Result<Response<RqdReportRunningFrameCompletionResponse>, Status> {
        self.enter()?;
        let place = self.ends.reserve().await;
        let place = place.map_err(|_| Status::unavailable("nobody takes the ends of frames"))?;
        let report = request.into_inner().frame_complete_report;
        place.send(completion(report.unwrap_or_default()));
        Ok(Response::new(RqdReportRunningFrameCompletionResponse {}))
    }
}

fn completion(report: FrameCompleteReport) -> Completion {
    let frame = report.frame.unwrap_or_default();
    Completion {
        host: report.host.unwrap_or_default().name.into(),
        resource_id: frame.resource_id,
        frame_id: frame.frame_id.into(),
        frame_name: frame.frame_name,
        job_id: frame.job_id,
        layer_id: frame.layer_id,
        num_cores: frame.num_cores,
        exit_status: report.exit_status,
        exit_signal: report.exit_signal,
        run_time: Duration::from_secs(u64::try_from(report.run_time).unwrap_or_default()),
        max_rss: Kib(frame.max_rss),
    }
}
