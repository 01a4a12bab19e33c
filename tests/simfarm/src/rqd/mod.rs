//! Simulated RQDs: one gRPC server on loopback that stands for any number of hosts.
//!
//! A call says in its `cue-host` header which host it means. Launches pass the checks of a real
//! RQD (OPENCUE.md, Launch answers), then run for a time that only the seed and the frame's id decide, and end
//! as [`Completion`]s on a bounded channel. While that channel is full frames keep running: an end
//! is delayed, never dropped. One task ends all frames, so a farm can run tens of thousands.

mod farm;
mod hosts;
mod report;
mod server;
mod services;
mod settings;
mod state;
mod words;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use cue_domain::Centicores;
use cue_proto::report::HostReport;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use farm::Farm;
use server::Rqds;
use services::Services;

pub use farm::Counts;
pub(crate) use hosts::Hosts;
pub use hosts::Kill;
pub use settings::{Fault, FrameDuration, MAX_RSS, Program, RUN_TIME, SimHost, SimRqdSettings};
pub use state::{Completion, LaunchRecord};

/// Far more calls at once than any test makes: a host that stalls must not hold up the others.
const STREAMS: u32 = 1 << 20;

/// A farm of simulated RQDs. Dropping it ends its server and all its frames.
#[derive(Debug)]
pub struct SimRqd {
    address: SocketAddr,
    farm: Arc<Farm>,
    completions: Option<mpsc::Receiver<Completion>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl SimRqd {
    /// Starts a farm at a free port of loopback. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(settings: SimRqdSettings) -> anyhow::Result<Self> {
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .context("no port on loopback for the simulated hosts")?
            .with_nodelay(Some(true));
        let address = incoming
            .local_addr()
            .context("the simulated hosts have no address")?;
        // One more than asked for: the task that ends frames holds a place while it waits.
        let (ends, completions) = mpsc::channel(settings.completions.get().saturating_add(1));
        let farm = Arc::new(Farm::new(settings, ends));
        let stop = CancellationToken::new();
        let services = Services::new(Rqds::new(Arc::clone(&farm), stop.clone()));
        let serve = Server::builder()
            .max_concurrent_streams(STREAMS)
            .serve_with_incoming_shutdown(services, incoming, stop.clone().cancelled_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the simulated hosts stopped serving");
            }
        });
        tasks.spawn({
            let (farm, stop) = (Arc::clone(&farm), stop.clone());
            async move {
                stop.run_until_cancelled(farm.end_frames()).await;
            }
        });
        Ok(Self {
            address,
            farm,
            completions: Some(completions),
            stop,
            tasks,
        })
    }

    /// Address at which all hosts are dialled.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops serving and waits until every connection has ended.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// The ends of frames; the first caller gets them. When the receiver is dropped frames
    /// still end, without reports.
    pub fn completions(&mut self) -> Option<mpsc::Receiver<Completion>> {
        self.completions.take()
    }

    /// The hosts as Cuebot sees them.
    pub(crate) fn hosts(&self) -> Hosts {
        Hosts::new(Arc::clone(&self.farm))
    }

    /// Gives a host a fault.
    pub fn set_fault(&self, host: &str, fault: Fault) {
        self.farm.state().set_fault(host, fault);
    }

    /// Gives every host a fault, also hosts that are first called later.
    pub fn set_fault_all(&self, fault: Fault) {
        self.farm.state().set_fault_all(fault);
    }

    /// Gives a host another program.
    pub fn set_program(&self, host: &str, program: Program) {
        self.farm.state().host(host).program = program;
    }

    /// Gives a host other cores and memory, whatever its row promises; `None` is no bounds.
    pub fn set_host(&self, host: &str, has: Option<SimHost>) {
        self.farm.state().host(host).has = has;
    }

    /// Makes every host refuse the frames of a layer (`layer.pk_layer`) with this answer; `None`
    /// ends it. Where the answer comes from is up to the test: a text that RQD does not have is fine.
    pub fn refuse_layer(&self, layer_id: &str, answer: Option<Status>) {
        self.farm.state().refuse_layer(layer_id, answer);
    }

    /// All launches so far, in order.
    #[must_use]
    pub fn launches(&self) -> Vec<LaunchRecord> {
        self.farm.state().launches().to_vec()
    }

    /// The launches after the first `seen` ones, in order.
    #[must_use]
    pub fn launches_since(&self, seen: usize) -> Vec<LaunchRecord> {
        let state = self.farm.state();
        state.launches().get(seen..).unwrap_or_default().to_vec()
    }

    /// Number of frames that have been launched.
    #[must_use]
    pub fn launch_count(&self) -> usize {
        self.farm.state().launches().len()
    }

    /// Number of frames that run.
    #[must_use]
    pub fn running_count(&self) -> usize {
        self.farm.state().running_count()
    }

    /// Hosts that run the frame.
    #[must_use]
    pub fn hosts_running(&self, frame_id: &str) -> Vec<String> {
        self.farm.state().hosts_running(frame_id)
    }

    /// Usage of the frames of a host.
    #[must_use]
    pub fn cores_in_use(&self, host: &str) -> Centicores {
        self.farm.state().cores_in_use(host)
    }

    /// Number of frames that were launched while they ran on another host. A scheduler makes none.
    #[must_use]
    pub fn double_launches(&self) -> usize {
        self.farm.state().double_launches()
    }

    /// Frames that have ended well, and how often.
    #[must_use]
    pub fn good_ends(&self) -> HashMap<Arc<str>, usize> {
        self.farm.state().good_ends().clone()
    }

    /// Number of launches that were refused because the same host ran the frame already.
    #[must_use]
    pub fn relaunches_refused(&self) -> usize {
        self.farm.state().relaunches_refused()
    }

    /// Counts of what has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.farm.counts()
    }

    /// Resolves when `n` frames have been launched since the start.
    pub async fn launched(&self, n: usize) {
        self.farm.until(|counts| counts.launched >= n).await;
    }

    /// Resolves when `n` frames have ended since the start.
    pub async fn ended(&self, n: usize) {
        self.farm.until(|counts| counts.ended >= n).await;
    }

    /// Resolves when `n` launches have been asked for since the start, with any outcome.
    pub async fn asked(&self, n: usize) {
        self.farm.until(|counts| counts.asked >= n).await;
    }

    /// Ends a frame now, wherever it runs; `false` when it runs nowhere.
    pub async fn finish(&self, frame_id: &str, exit_status: i32) -> bool {
        let host = self.hosts_running(frame_id).into_iter().next();
        match host {
            Some(host) => self.farm.end(&host, frame_id, exit_status, 0).await,
            None => false,
        }
    }

    /// Reports that each host would make now, by name: the hosts of the settings and those called since.
    #[must_use]
    pub fn reports(&self) -> Vec<HostReport> {
        let state = self.farm.state();
        let mut reports: Vec<HostReport> = state.hosts().map(report::of_host).collect();
        reports.sort_unstable_by(|a, b| report::name(a).cmp(report::name(b)));
        reports
    }
}

impl Drop for SimRqd {
    fn drop(&mut self) {
        // Calls that stall hold their connections open until they hear of this.
        self.stop.cancel();
    }
}
