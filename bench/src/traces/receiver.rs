//! A receiver of traces that speaks OTLP over gRPC: every span is decoded and counted, none is kept.
//!
//! It runs in the process of the benchmark, so its work is not in the processor time of the scheduler,
//! but shares the cores with it. Invariant: a span is counted before its batch is answered for, so what
//! the exporter says was taken has been counted.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Spans received, by what they are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spans {
    /// All of them.
    pub all: u64,
    /// Turns.
    pub turns: u64,
    /// Items of dispatch, once for each of their turns.
    pub dispatches: u64,
    /// Launches of frames.
    pub launches: u64,
}

/// A receiver. Dropping it ends it.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    received: Received,
    _serving: JoinSet<Result<(), tonic::transport::Error>>,
}

#[derive(Clone, Debug, Default)]
struct Received(Arc<Mutex<Spans>>);

impl Receiver {
    /// Starts one on a free port of the loopback.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("the receiver of traces has no port")?;
        let address = listener.local_addr()?;
        let received = Received::default();
        let service = TraceServiceServer::new(received.clone());
        let mut serving = JoinSet::new();
        serving.spawn(
            tonic::transport::Server::builder()
                .serve_with_incoming(service, TcpListenerStream::new(listener)),
        );
        Ok(Self {
            address,
            received,
            _serving: serving,
        })
    }

    /// Where to send spans.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been received. Call it when the sender has ended.
    #[must_use]
    pub fn finish(self) -> Spans {
        self.received.with(|spans| *spans)
    }
}

impl Received {
    fn with<T>(&self, act: impl FnOnce(&mut Spans) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, request: &ExportTraceServiceRequest) {
        let of_service = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
        let spans = of_service.flat_map(|of| &of.spans);
        self.with(|count| {
            for span in spans {
                count.all += 1;
                match span.name.as_str() {
                    "turn" => count.turns += 1,
                    "dispatch" => count.dispatches += 1,
                    "launch" => count.launches += 1,
                    _ => {}
                }
            }
        });
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.count(request.get_ref());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use tonic::transport::Endpoint;

    use super::*;

    fn spans(names: &[&str]) -> ExportTraceServiceRequest {
        let span = |name: &&str| Span {
            name: (*name).to_owned(),
            ..Span::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: names.iter().map(span).collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }

    #[tokio::test]
    async fn spans_are_counted_by_what_they_are_about() {
        let receiver = Receiver::start().await.unwrap();
        let channel = Endpoint::from_shared(receiver.endpoint()).unwrap();
        let mut client = TraceServiceClient::new(channel.connect().await.unwrap());
        client.export(spans(&["turn", "launch"])).await.unwrap();
        let more = ["launch", "begin", "dispatch", "launches"];
        client.export(spans(&more)).await.unwrap();
        let expected = Spans {
            all: 6,
            turns: 1,
            dispatches: 1,
            launches: 2,
        };
        assert_eq!(receiver.finish(), expected);
    }
}
