//! The admin server: a live page, metrics, health and status over HTTP.
//!
//! Invariants: it listens on the loopback address unless the settings name another, and looking needs no login;
//! a change needs the token of the settings, and without one nobody can change anything; a page of the web
//! reaches neither, under a name of its own or across sites; a probe that hangs cannot hang an answer; the
//! server answers from the start of the program to the end of its drain, and never stops it.

mod access;
mod connections;
mod controls;
mod health;
mod hosts;
mod levers;
mod limits;
mod live;
mod page;
mod pauses;
mod refusal;
mod routes;
mod state;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use connections::{ConnectionLimiter, Peer};
use state::Served;

pub use access::HostNames;
pub use controls::AdminControls;
pub use health::{Probe, asked_once};
pub use state::AdminState;

/// Failure to start the server.
#[derive(Debug, thiserror::Error)]
#[error("the admin server cannot listen on {addr}, set CUE_ADMIN_ADDR to a free one or to `off`")]
pub struct AdminError {
    addr: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Time that requests under way have when the server ends.
const GRACE: Duration = Duration::from_secs(2);

/// A server that answers. Its tasks end with it.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    pages: Arc<OnceLock<Router>>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl AdminServer {
    /// Takes the address and answers under these names too: the process lives, and is not ready yet. Port 0
    /// takes any free port.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub async fn start(addr: SocketAddr, names: HostNames) -> Result<Self, AdminError> {
        let failed = |source| AdminError { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (pages, stop) = (Arc::<OnceLock<Router>>::default(), CancellationToken::new());
        let router = routes::server(Arc::clone(&pages), names);
        let serving = axum::serve(
            ConnectionLimiter::new(listener),
            router.into_make_service_with_connect_info::<Peer>(),
        );
        let serving = serving.with_graceful_shutdown(stop.clone().cancelled_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%error, "the admin server broke off");
            }
        });
        Ok(Self {
            address,
            pages,
            tasks,
            stop,
        })
    }

    /// The address, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every path from now on, and takes the samples of the live page.
    pub fn show(&mut self, state: AdminState) {
        let served = Arc::new(Served::new(state, self.stop.clone()));
        if self.pages.set(routes::router(Arc::clone(&served))).is_ok() {
            self.tasks.spawn(async move { served.sample().await });
        }
    }

    /// Ends the server. Requests under way are finished, for a moment.
    pub async fn end(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("the admin server still had requests, they are cut off");
        }
    }
}
