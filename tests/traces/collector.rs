//! Collectors: over gRPC, over HTTP, both also with TLS, and a collector that never answers.
//!
//! Invariant: the root of a turn is the last of its spans that a collector receives, so a trace whose
//! root is here is complete.

mod metrics;

use cue_simfarm::waiting::within;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::Listener;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use self::metrics::ReceivedMetrics;
use crate::tree::{Span, Trace};

/// Second path of the collector over HTTP.
pub const ELSEWHERE: &str = "/in/here";

/// Spans and headers that a collector has received.
#[derive(Clone)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Spans in the largest message.
    largest: Arc<Mutex<usize>>,
    /// The headers of each message.
    headers: Arc<Mutex<Vec<HeaderMap>>>,
    changed: watch::Sender<usize>,
    metrics: ReceivedMetrics,
}

/// A collector. Dropping it ends it.
pub struct Collector {
    scheme: &'static str,
    address: SocketAddr,
    received: Received,
    _serving: JoinSet<()>,
}

impl Collector {
    pub async fn grpc() -> Self {
        Self::serve("http", |listener, received| {
            over_grpc(Server::builder(), listener, received)
        })
        .await
    }

    pub async fn grpc_tls(tls: ServerTlsConfig) -> Self {
        let server = Server::builder().tls_config(tls).unwrap();
        Self::serve("https", |listener, received| {
            over_grpc(server, listener, received)
        })
        .await
    }

    pub async fn http() -> Self {
        Self::serve("http", over_http).await
    }

    /// A collector over HTTP whose listener wraps each connection.
    pub async fn http_tls<L>(tls: impl FnOnce(TcpListener) -> L) -> Self
    where
        L: Listener<Addr: Debug>,
    {
        Self::serve("https", |listener, received| {
            over_http(tls(listener), received)
        })
        .await
    }

    /// A collector that accepts every connection and never answers.
    pub async fn silent() -> Self {
        Self::serve("http", |listener, _received| async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        })
        .await
    }

    async fn serve<F>(scheme: &'static str, run: impl FnOnce(TcpListener, Received) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Received {
            spans: Arc::default(),
            largest: Arc::default(),
            headers: Arc::default(),
            changed: watch::Sender::new(0),
            metrics: ReceivedMetrics::default(),
        };
        let mut serving = JoinSet::new();
        serving.spawn(run(listener, received.clone()));
        Self {
            scheme,
            address,
            received,
            _serving: serving,
        }
    }

    /// The endpoint, as a setting.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Spans in the largest message.
    pub fn largest(&self) -> usize {
        *self.received.largest.lock().unwrap()
    }

    /// A header of the last message, if one came and had it.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.received.headers.lock().unwrap();
        let value = headers.last()?.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received.spans.lock().unwrap().clone()
    }

    /// All complete traces of turns so far.
    pub fn traces(&self) -> Vec<Trace> {
        Trace::all(&self.received.spans.lock().unwrap())
    }

    /// Waits for the trace of a turn.
    pub async fn trace(&self, what: &str, is_it: impl Fn(&Trace) -> bool) -> Trace {
        let mut changed = self.received.changed.subscribe();
        within(what, async {
            loop {
                changed.borrow_and_update();
                if let Some(trace) = self.traces().into_iter().find(&is_it) {
                    return trace;
                }
                changed.changed().await.unwrap();
            }
        })
        .await
    }
}

async fn over_grpc(server: Server, listener: TcpListener, received: Received) {
    let metrics = received.metrics.service();
    let traces = TraceServiceServer::new(received).accept_compressed(CompressionEncoding::Gzip);
    let package = "/opentelemetry.proto.collector";
    let services = axum::Router::new()
        .route_service(&format!("{package}.trace.v1.TraceService/Export"), traces)
        .route_service(
            &format!("{package}.metrics.v1.MetricsService/Export"),
            metrics,
        );
    server
        .serve_with_incoming(services, TcpListenerStream::new(listener))
        .await
        .unwrap();
}

async fn over_http<L: Listener<Addr: Debug>>(listener: L, received: Received) {
    let app = axum::Router::new()
        .route("/v1/traces", post(take))
        .route(ELSEWHERE, post(take))
        .with_state(received.clone())
        .merge(received.metrics.routes());
    axum::serve(listener, app).await.unwrap();
}

impl Received {
    fn take(&self, request: ExportTraceServiceRequest) {
        let mut spans = self.spans.lock().unwrap();
        let before = spans.len();
        for group in request.resource_spans {
            let resource = group.resource.unwrap_or_default().attributes;
            let of_group = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(of_group.map(|span| Span::new(span, &resource)));
        }
        let mut largest = self.largest.lock().unwrap();
        *largest = (*largest).max(spans.len() - before);
        self.changed.send_replace(spans.len());
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        self.headers.lock().unwrap().push(headers);
        self.take(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn take(
    State(received): State<Received>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    received.headers.lock().unwrap().push(headers);
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            received.take(request);
            let answer = ExportTraceServiceResponse::default();
            (StatusCode::OK, answer.encode_to_vec())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string().into_bytes()),
    }
}
