//! Connections to the admin server: how many there may be, and how long each may take.
//!
//! Whoever opens connections and says nothing, or asks and does not read, must not use up what the
//! service needs: its hosts and its database are reached through the same table of open files.
//! Invariant: every wait for the other side has a bound, and connections end with the server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::seats::{Asked, Seat, Seats};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What the other side may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at a time; for more, those end that have not asked anything yet.
    pub(super) connections: usize,
    /// From the beginning of a connection, or the end of an answer, to the end of the next request's head.
    pub(super) head: Duration,
    /// From there to the beginning of the answer.
    pub(super) answer: Duration,
    /// For how long it may read nothing of an answer.
    pub(super) unread: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(20),
            answer: Duration::from_secs(30),
            unread: Duration::from_secs(30),
        }
    }
}

/// The longest head of a request, in bytes. What is asked here is short, and a head is kept in memory
/// until it is whole.
const LONGEST_HEAD: usize = 16 * 1024;

/// How long nobody is let in after the system could not give a connection, as when it has no files left.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Answers requests until `stop`, then finishes those under way.
pub(super) async fn serve(
    listener: &TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let limit = bounds.answer;
    let router = router.layer(middleware::from_fn(move |request, next| {
        in_time(limit, request, next)
    }));
    let seats = Seats::new(bounds.connections);
    let mut connections = JoinSet::new();
    // It is kept over the rounds, for it may hold a connection that waits for a seat.
    let next = accept(listener, &seats);
    tokio::pin!(next);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next() => {}
            (stream, peer, seat) = &mut next => {
                next.set(accept(listener, &seats));
                let router = router.clone();
                let router = router.layer(Extension(Peer(peer))).layer(Extension(seat.asked()));
                let stop = stop.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, router, bounds, stop) => {}
                        () = seat.given_away() => {}
                    }
                });
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is a seat for it.
async fn accept(listener: &TcpListener, seats: &Seats) -> (TcpStream, SocketAddr, Seat) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, seats.take().await),
            Err(error) => {
                tracing::warn!(%error, "the admin server cannot take a connection");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, bounds: Bounds, stop: CancellationToken) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(bounds.unread));
    let io = TokioIo::new(Box::pin(stream));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(io, TowerToHyperService::new(router));
    tokio::pin!(serving);
    // How a connection ends is the other side's affair: it may go away at any time.
    let _ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
}

/// An answer that does not come in time is one that says so.
async fn in_time(limit: Duration, request: Request, next: Next) -> Response {
    if let Some(asked) = request.extensions().get::<Asked>() {
        asked.note();
    }
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => {
            let limit = humantime::format_duration(limit);
            let body = json!({ "error": format!("there was no answer within {limit}") });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use futures::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    /// A server with an endless answer and one that never comes.
    async fn start(bounds: Bounds) -> (SocketAddr, CancellationToken, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endless = || async {
            let parts = stream::repeat_with(|| Ok::<_, std::convert::Infallible>(vec![0; 65_536]));
            Body::from_stream(parts)
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/never", get(std::future::pending::<String>))
            .route("/endless", get(endless));
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let stopped = stop.clone();
        serving.spawn(async move { serve(&listener, router, bounds, stopped).await });
        (address, stop, serving)
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn who_says_nothing_or_reads_nothing_makes_room_for_the_next() {
        let bounds = Bounds {
            connections: 2,
            head: SHORT,
            unread: SHORT,
            ..Bounds::default()
        };
        let (address, stop, mut serving) = start(bounds).await;
        let _silent = TcpStream::connect(address).await.unwrap();
        let _deaf = ask(address, "/endless").await;
        // Both seats are taken, and both are free again after a while.
        for _ in 0..2 {
            let answered = answer(ask(address, "/").await).await;
            assert!(answered.ends_with("here"), "{answered}");
        }
        stop.cancel();
        serving.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_only_holds_connections_keeps_nobody_out() {
        let bounds = Bounds {
            connections: 2,
            head: Duration::from_secs(3600),
            ..Bounds::default()
        };
        let (address, stop, mut serving) = start(bounds).await;
        let _never = ask(address, "/never").await;
        for _ in 0..4 {
            let _silent = TcpStream::connect(address).await.unwrap();
            let answered = answer(ask(address, "/").await).await;
            assert!(answered.ends_with("here"), "{answered}");
        }
        stop.cancel();
        drop(_never);
        serving.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let (address, _stop, _serving) = start(Bounds::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n",
            "y".repeat(20_000)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answered = [0; 12];
        stream.read_exact(&mut answered).await.unwrap();
        assert_eq!(&answered, b"HTTP/1.1 431");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_given_up() {
        let bounds = Bounds {
            answer: SHORT,
            ..Bounds::default()
        };
        let (address, _stop, _serving) = start(bounds).await;
        let answered = answer(ask(address, "/never").await).await;
        assert!(answered.starts_with("HTTP/1.1 503"), "{answered}");
        assert!(answered.contains("no answer within 100ms"), "{answered}");
    }
}
