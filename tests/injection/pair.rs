//! A server and its standby behind one address, as a farm has them that survives the loss of a machine.
//!
//! Invariant: sessions of the test reach the server that the address leads to, like those of the service.

use cue_simfarm::postgres::{Server, ServerSettings};

use crate::fault::quit;
use crate::line::Line;

/// The two servers, and the line that is their address.
pub struct Pair {
    first: Server,
    standby: Server,
    address: Line,
}

/// Settings of a server that rows end: its commits outlive a crash.
fn settings() -> ServerSettings {
    ServerSettings::from_env()
        .set("synchronous_commit", "on")
        .set("shared_buffers", "'32MB'")
}

impl Pair {
    /// A server without a standby.
    pub async fn alone() -> Server {
        let server = tokio::task::spawn_blocking(|| Server::start(settings()));
        server.await.unwrap().unwrap()
    }

    pub async fn start() -> Self {
        let both = tokio::task::spawn_blocking(|| Server::start_pair(settings()));
        let (first, standby) = both.await.unwrap().unwrap();
        let address = Line::to(&first.admin_url()).await;
        Self {
            first,
            standby,
            address,
        }
    }

    /// The server that the address leads to, as one that somebody else runs.
    pub fn entrance(&self) -> Server {
        Server::at(&self.address.url(&self.first.admin_url())).unwrap()
    }

    /// Ends the first server as a crash of its machine does.
    pub async fn lose_first(&self) {
        quit(self.first.dir().expect("a server of its own")).await;
    }

    /// Leads the address to the standby.
    pub fn switch(&self) {
        self.address.lead_to(&self.standby.admin_url());
    }

    /// Makes the standby the server that takes writes.
    pub async fn promote(&self) {
        self.standby.promote().await.unwrap();
    }
}
