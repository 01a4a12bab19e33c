//! The admin server: a live page, metrics, health and status over HTTP.
//!
//! Invariants: it listens on the loopback address unless told otherwise, and looking needs no login;
//! only who has the token of the settings can change something, and without one nobody can; a probe
//! that hangs cannot hang an answer; the server never stops the program, and is stopped after it, so
//! that a drain can be watched.

mod health;
mod levers;
pub mod live;
mod page;
mod routes;
mod seats;
mod server;
mod status;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::why::Oracle;

pub use health::{Probe, asked_once};
pub use levers::Levers;
pub use status::{Section, stages};

/// What the server shows.
pub struct Exhibits {
    /// The metrics.
    pub registry: prometheus::Registry,
    /// What must be well for the program to be ready.
    pub probes: Vec<Probe>,
    /// What `/status` shows besides version and uptime.
    pub sections: Vec<Section>,
    /// The name of this process among the replicas.
    pub replica: String,
    /// Whether frames are booked without being launched.
    pub dry_run: bool,
    /// What may be changed.
    pub levers: Levers,
    /// Says why something does not run.
    pub oracle: Option<Oracle>,
}

impl Exhibits {
    /// The metrics and nothing else yet.
    #[must_use]
    pub fn new(registry: prometheus::Registry) -> Self {
        Self {
            registry,
            probes: Vec::new(),
            sections: Vec::new(),
            replica: crate::telemetry::replica(),
            dry_run: false,
            levers: Levers::none(),
            oracle: None,
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[error("the admin server cannot listen on {addr}, set CUE_ADMIN_ADDR to a free one or to `off`")]
pub struct AdminError {
    addr: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Takes the address. Port 0 takes any free port.
    pub async fn bind(addr: SocketAddr) -> Result<Self, AdminError> {
        let failed = |source| AdminError { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address it listens on, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop`, then finishes those under way. It also makes the samples that
    /// the live page shows.
    pub async fn serve(self, exhibits: Exhibits, stop: CancellationToken) {
        let newest = live::Newest::new(stop.clone());
        let shown = Arc::new(routes::Shown {
            exhibits,
            started: Instant::now(),
            newest,
        });
        let sampler = live::Sampler::new(Arc::clone(&shown));
        let router = routes::router(Arc::clone(&shown));
        let serve = server::serve(&self.listener, router, server::Bounds::default(), stop);
        tokio::pin!(serve);
        tokio::select! {
            () = &mut serve => {}
            () = shown.newest.keep(sampler) => serve.await,
        }
    }

    /// Says that the process lives and is not ready, for as long as there is nothing else to show.
    pub async fn answer_while_starting(&self) -> Infallible {
        let never = CancellationToken::new();
        let bounds = server::Bounds::default();
        server::serve(&self.listener, routes::starting(), bounds, never).await;
        std::future::pending().await
    }
}
