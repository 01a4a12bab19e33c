//! Dialling a host, and separating a call that was not processed from one that may have been.
//!
//! No HTTP/2 ping is ever sent: a C-core server, as in the Python RQD, answers pings that come more
//! often than every five minutes without data by closing the connection (`too_many_pings`), and its
//! policy cannot be known from here. The kernel probes idle connections instead, and a call that
//! stays without an answer costs the connection its place in the cache.
//!
//! A connection that ended is never redialled behind a caller's back, which is why the transport
//! gets a connector that works only once: a call that finds its connection ended was not sent.

use std::error::Error;
use std::future::{Ready, ready};
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

use crate::address::Address;

/// Number of probes within the time they may stay unanswered.
const PROBES: u32 = 2;

/// Limits of the connections and of their lifetime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most connections kept at once.
    pub connections: NonZeroUsize,
    /// Longest time of dialling, name lookup included.
    pub connect_timeout: Duration,
    /// Time for which a connection that nobody uses is kept.
    pub idle_timeout: Duration,
    /// Time without data after which the kernel probes a connection.
    pub keepalive: Duration,
    /// Time without an answer to probes after which a connection is broken.
    pub keepalive_timeout: Duration,
}

/// The reason why a host could not be dialled. Nothing was sent to it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve, or nobody listens there.
    #[error("cannot connect to {address}; check the name and that RQD runs there")]
    Connect {
        /// The address.
        address: Address,
        /// The cause.
        #[source]
        source: Arc<io::Error>,
    },
    /// It took too long.
    #[error("no connection to {address} within {limit:?}; check the network")]
    TimedOut {
        /// The address.
        address: Address,
        /// The limit.
        limit: Duration,
    },
    /// Connected, but no HTTP/2 could be set up.
    #[error("cannot speak HTTP/2 with {address}; check that RQD listens there")]
    Handshake {
        /// The address.
        address: Address,
        /// The cause.
        #[source]
        source: Arc<tonic::transport::Error>,
    },
}

/// The connection ended before the call was sent, or the peer said that it did not process it.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before the call was processed")]
pub struct ConnectionLost;

impl ConnectionLost {
    /// Returns true if `error` proves that the call was not processed, so that it can be sent over
    /// another connection.
    pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() || was_not_processed(error) {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// The peer closes the connection and names the last stream it processes (GOAWAY), which was an
/// earlier one, or it refused the stream. HTTP/2 allows the call to be sent again in both cases.
fn was_not_processed(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<h2::Error>() else {
        return false;
    };
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || refused)
}

/// Dials an address, within the limit.
pub(crate) async fn dial(address: &Address, limits: &Limits) -> Result<Channel, DialError> {
    let limit = limits.connect_timeout;
    match tokio::time::timeout(limit, connect(address, limits)).await {
        Ok(done) => done,
        Err(_) => Err(DialError::TimedOut {
            address: address.clone(),
            limit,
        }),
    }
}

async fn connect(address: &Address, limits: &Limits) -> Result<Channel, DialError> {
    let failed = |source: io::Error| DialError::Connect {
        address: address.clone(),
        source: Arc::new(source),
    };
    let no_http = |source: tonic::transport::Error| DialError::Handshake {
        address: address.clone(),
        source: Arc::new(source),
    };
    let stream = TcpStream::connect(address.as_str()).await.map_err(failed)?;
    // A launch is a few small writes; waiting to merge them costs more than it saves.
    stream.set_nodelay(true).map_err(failed)?;
    let probes = probes(limits);
    SockRef::from(&stream)
        .set_tcp_keepalive(&probes)
        .map_err(failed)?;
    Endpoint::from_shared(format!("http://{address}"))
        .map_err(no_http)?
        .connect_with_connector(Once(Some(TokioIo::new(stream))))
        .await
        .map_err(no_http)
}

/// The kernel counts whole seconds, at least one.
fn probes(limits: &Limits) -> TcpKeepalive {
    let second = Duration::from_secs(1);
    TcpKeepalive::new()
        .with_time(limits.keepalive.max(second))
        .with_interval((limits.keepalive_timeout / PROBES).max(second))
        .with_retries(PROBES)
}

/// Hands its stream over once. The transport asks again when the connection has ended.
struct Once(Option<TokioIo<TcpStream>>);

impl Service<Uri> for Once {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectionLost;
    type Future = Ready<Result<Self::Response, ConnectionLost>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionLost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or(ConnectionLost))
    }
}
