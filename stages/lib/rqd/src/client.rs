//! The client of RQD: launches a frame, kills it, and asks a host what runs.
//!
//! A call is processed at most once. It is made a second time only when the connection it was meant
//! for ended before the call was sent, or when the peer said that it did not process the call. Every
//! call carries the host's name in `cue-host`, so that one endpoint can stand for many hosts, and the current
//! span in `traceparent`; it records `server.port` and `rpc.response.status_code` in that span, where the
//! span has such fields. No deadline is sent along: a host must not give up half-way in a launch
//! that this side has stopped waiting for.

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cue_proto::rqd::rqd_interface_client::RqdInterfaceClient;
use cue_proto::rqd::{RqdStaticKillRunningFrameRequest, RqdStaticLaunchFrameRequest, RunFrame};
use opentelemetry::trace::SpanContext;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Extensions, Request, Response, Status};
use tracing::Span;

use crate::address::{Address, AddressTemplate};
use crate::call_error::CallError;
use crate::channels::{Channels, Connection};
use crate::dial::{ConnectionLost, Limits};
use crate::failure::{Failure, NotSent, UnknownOutcome, code_name};
use crate::launch_error::LaunchError;
use crate::trace;

/// The header that names the host a call is meant for. A real RQD ignores it.
const HOST_HEADER: &str = "cue-host";

/// Settings of calls to hosts.
#[derive(Clone, Debug)]
pub struct RqdSettings {
    /// Template of the hosts' addresses.
    pub address: AddressTemplate,
    /// RQD's port, the same on all hosts.
    pub port: u16,
    /// Longest time of dialling, name lookup included.
    pub connect_timeout: Duration,
    /// Longest wait for an answer once the call can be sent.
    pub request_timeout: Duration,
    /// The most connections kept at once.
    pub connections: NonZeroUsize,
    /// Time for which a connection that nobody uses is kept.
    pub idle_timeout: Duration,
    /// Time without data after which the kernel probes a connection. It takes whole seconds, at
    /// least one. No HTTP/2 ping is sent, however strict a server is about them.
    pub keepalive: Duration,
    /// Time that probes may stay unanswered before the connection counts as broken.
    pub keepalive_timeout: Duration,
    /// Sends the trace along with calls, and into the environment of frames.
    pub propagate: bool,
}

impl Default for RqdSettings {
    fn default() -> Self {
        Self {
            address: AddressTemplate::default(),
            port: 8444,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            connections: NonZeroUsize::MIN.saturating_add(511),
            idle_timeout: Duration::from_secs(300),
            keepalive: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            propagate: true,
        }
    }
}

/// The outcome of a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillOutcome {
    /// The host ends it. It can still be there for a moment.
    Killed,
    /// The host does not have it.
    NotRunning,
}

/// Calls hosts. Clones share their connections.
#[derive(Clone)]
pub struct RqdClient {
    inner: Arc<Inner>,
}

struct Inner {
    settings: RqdSettings,
    channels: Channels,
}

impl RqdClient {
    /// A client without connections; they are made when they are needed.
    pub fn new(settings: RqdSettings) -> Self {
        let channels = Channels::new(Limits {
            connections: settings.connections,
            connect_timeout: settings.connect_timeout,
            idle_timeout: settings.idle_timeout,
            keepalive: settings.keepalive,
            keepalive_timeout: settings.keepalive_timeout,
        });
        Self {
            inner: Arc::new(Inner { settings, channels }),
        }
    }

    /// Launches a frame. It is sent at most once.
    ///
    /// # Errors
    /// The host did not confirm that it launched the frame; [`LaunchError::outcome`] says
    /// if the frame may run all the same.
    pub async fn launch(&self, host_name: &str, frame: RunFrame) -> Result<(), LaunchError> {
        self.call(host_name, |mut rqd, headers| {
            let message = RqdStaticLaunchFrameRequest {
                run_frame: Some(frame.clone()),
            };
            async move { rqd.launch_frame(with(headers, message)).await }
        })
        .await
        .map(drop)
        .map_err(|failure| LaunchError::new(host_name, failure))
    }

    /// Ends a frame, whichever run of it is there. `message` says why and must not be empty.
    ///
    /// The Python RQD does not find a frame during its setup (OPENCUE.md, Launch answers), so
    /// [`KillOutcome::NotRunning`] proves nothing about a launch of a moment ago. Between the setup and
    /// the frame's process the kill hits the daemon itself: kill only frames that have been listed for a
    /// second.
    ///
    /// # Errors
    /// The host did not confirm that it ends the frame or does not have it.
    pub async fn kill(
        &self,
        host_name: &str,
        frame_id: &str,
        message: &str,
    ) -> Result<KillOutcome, CallError> {
        let killed = self
            .call(host_name, |mut rqd, headers| {
                let (frame_id, message) = (frame_id.to_owned(), message.to_owned());
                let message = RqdStaticKillRunningFrameRequest { frame_id, message };
                async move { rqd.kill_running_frame(with(headers, message)).await }
            })
            .await;
        match killed {
            Ok(_) => Ok(KillOutcome::Killed),
            Err(failure) if failure.is_not_found() => Ok(KillOutcome::NotRunning),
            Err(failure) => Err(CallError::new(host_name, failure)),
        }
    }

    /// The current span for the environment of a frame, in the words of W3C Trace Context; `None` when
    /// there is none, or traces are not propagated.
    pub fn traceparent(&self) -> Option<String> {
        self.propagated().as_ref().map(trace::traceparent)
    }

    fn propagated(&self) -> Option<SpanContext> {
        trace::current().filter(|_| self.inner.settings.propagate)
    }

    /// Number of connections that are kept.
    pub fn connections(&self) -> usize {
        self.inner.channels.len()
    }

    fn address(&self, host: &str) -> Result<Address, Failure> {
        let settings = &self.inner.settings;
        let address = settings.address.resolve(host, settings.port);
        address.map_err(|error| Failure::NotSent(NotSent::Address(error)))
    }

    pub(crate) async fn call<T, F, Fut>(&self, host: &str, make: F) -> Result<T, Failure>
    where
        F: Fn(RqdInterfaceClient<Channel>, MetadataMap) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = self.send(host, make).await;
        let code = answer.as_ref().map_or_else(Failure::code, |_| Code::Ok);
        Span::current().record("rpc.response.status_code", code_name(code));
        answer
    }

    async fn send<T, F, Fut>(&self, host: &str, make: F) -> Result<T, Failure>
    where
        F: Fn(RqdInterfaceClient<Channel>, MetadataMap) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let not_sent = Failure::NotSent;
        let address = self.address(host)?;
        if let Some(port) = address.port() {
            Span::current().record("server.port", i64::from(port));
        }
        let headers = headers(host, self.propagated()).map_err(not_sent)?;
        // The second connection is a fresh one, so there is no need of a third.
        for _ in 0..2 {
            match self.attempt(&address, &headers, &make).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Lost(connection) => {
                    self.inner.channels.discard(&address, &connection).await;
                }
            }
        }
        Err(not_sent(NotSent::Lost(ConnectionLost)))
    }

    async fn attempt<T, F, Fut>(
        &self,
        address: &Address,
        headers: &MetadataMap,
        make: &F,
    ) -> Attempt<T>
    where
        F: Fn(RqdInterfaceClient<Channel>, MetadataMap) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let connection = match self.inner.channels.get(address).await {
            Ok(connection) => connection,
            Err(error) => return Attempt::Failed(Failure::NotSent(NotSent::Dial(error))),
        };
        let rqd = RqdInterfaceClient::new(connection.channel.clone());
        let limit = self.inner.settings.request_timeout;
        match tokio::time::timeout(limit, make(rqd, headers.clone())).await {
            Ok(Ok(answer)) => Attempt::Answered(answer.into_inner()),
            Ok(Err(status)) if ConnectionLost::is_cause_of(&status) => Attempt::Lost(connection),
            Ok(Err(status)) => Attempt::Failed(Failure::Unknown(UnknownOutcome::Status(status))),
            Err(_) => {
                // Perhaps not the host is silent but this connection: a firewall may have forgotten it.
                self.inner.channels.discard(address, &connection).await;
                Attempt::Failed(Failure::Unknown(UnknownOutcome::Silence(limit)))
            }
        }
    }
}

impl fmt::Debug for RqdClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RqdClient")
            .field("settings", &self.inner.settings)
            .field("connections", &self.connections())
            .finish()
    }
}

enum Attempt<T> {
    Answered(T),
    Failed(Failure),
    /// Nothing was processed: the connection ended before.
    Lost(Connection),
}

fn headers(host: &str, span: Option<SpanContext>) -> Result<MetadataMap, NotSent> {
    let mut headers = MetadataMap::new();
    let name: MetadataValue<Ascii> = host.parse().map_err(NotSent::Name)?;
    headers.insert(HOST_HEADER, name);
    if let Some(span) = span {
        // Hex digits always make a header; a state that does not is left out.
        if let Ok(parent) = trace::traceparent(&span).parse() {
            headers.insert("traceparent", parent);
        }
        let state = span.trace_state().header();
        if let (false, Ok(state)) = (state.is_empty(), state.parse()) {
            headers.insert("tracestate", state);
        }
    }
    Ok(headers)
}

pub(crate) fn with<T>(headers: MetadataMap, message: T) -> Request<T> {
    Request::from_parts(headers, Extensions::default(), message)
}
