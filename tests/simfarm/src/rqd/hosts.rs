//! Cuebot's side of the network: calls that it makes to simulated hosts, and their reports to it.
//!
//! Invariant: a host that answers nobody ([`Fault::Stall`], [`Fault::Vanish`]) neither obeys nor
//! reports, and says so at once, where a real call would wait for its deadline.

use std::sync::Arc;

use cue_proto::report::HostReport;
use cue_proto::rqd::RunFrame;
use tonic::Status;

use super::farm::Farm;
use super::report;
use super::settings::{Fault, Program};

/// The outcome of a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// The frame ran and is killed.
    Killed,
    /// The host does not run the frame.
    NotThere,
    /// The host did not answer.
    Unconfirmed,
}

/// All simulated hosts, for a caller that outlives nothing of theirs.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    farm: Arc<Farm>,
}

impl Hosts {
    pub(super) const fn new(farm: Arc<Farm>) -> Self {
        Self { farm }
    }

    /// Returns true if the host and Cuebot can talk to each other.
    pub(crate) fn reachable(&self, host: &str) -> bool {
        !matches!(self.fault(host), Fault::Stall | Fault::Vanish)
    }

    /// The program that the host runs.
    pub(crate) fn program(&self, host: &str) -> Program {
        self.farm.state().host(host).program
    }

    /// Kills a frame.
    pub(crate) async fn kill(&self, host: &str, frame_id: &str) -> Kill {
        if !self.reachable(host) {
            Kill::Unconfirmed
        } else if self.farm.kill(host, frame_id).await {
            Kill::Killed
        } else {
            Kill::NotThere
        }
    }

    /// Launches a frame that Cuebot booked.
    pub(crate) fn launch(&self, host: &str, frame: RunFrame) -> Result<(), Status> {
        match self.fault(host) {
            Fault::None => self.farm.launch(host, frame, None),
            fault => Err(Status::unavailable(format!(
                "the host has a fault: {fault:?}"
            ))),
        }
    }

    /// The status reports of all hosts that Cuebot hears of.
    pub(crate) fn reports(&self) -> Vec<HostReport> {
        let mut reports: Vec<HostReport> = self.farm.state().hosts().map(report::of_host).collect();
        reports.retain(|report| self.reachable(report::name(report)));
        reports
    }

    fn fault(&self, host: &str) -> Fault {
        self.farm.state().fault(host)
    }
}
