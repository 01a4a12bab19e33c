//! The admin server: metrics, health and status over HTTP.
//!
//! It only looks: no request changes anything. Invariants: it has no login and listens on the
//! loopback address unless told otherwise; a probe that hangs cannot hang an answer; the server never
//! stops the program, and is stopped after it, so that a drain can be watched.

mod health;
mod routes;
mod status;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use health::Probe;
pub use status::{Section, stages};

/// What the server shows.
pub struct Exhibits {
    /// The metrics.
    pub registry: prometheus::Registry,
    /// What must be well for the program to be ready.
    pub probes: Vec<Probe>,
    /// What `/status` shows besides version and uptime.
    pub sections: Vec<Section>,
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

    /// Answers requests until `stop`, then finishes those under way.
    pub async fn serve(self, exhibits: Exhibits, stop: CancellationToken) -> std::io::Result<()> {
        let shown = Arc::new(routes::Shown {
            exhibits,
            started: Instant::now(),
        });
        axum::serve(self.listener, routes::router(shown))
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
    }
}
