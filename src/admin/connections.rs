//! Connections to the admin server: their number, and the time for which one may be idle.
//!
//! Hosts and database are reached through the same table of open files, so clients must not use it up.
//! Invariant: a connection on which nothing moves is closed after a minute, be it that the client sends no
//! request, reads no answer, or keeps the connection for later.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time. Others wait until one of them ends.
const MOST: usize = 256;

/// Time after which an idle connection is closed. Longer than an answer may take.
const IDLE: Duration = Duration::from_secs(60);

/// Address of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, ConnectionLimiter>> for Peer {
    fn connect_info(stream: IncomingStream<'_, ConnectionLimiter>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Listener that bounds its connections.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    idle: Duration,
}

impl ConnectionLimiter {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with_bounds(listener, MOST, IDLE)
    }

    fn with_bounds(listener: TcpListener, most: usize, idle: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(most));
        Self {
            listener,
            permits,
            idle,
        }
    }
}

impl Listener for ConnectionLimiter {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed, so there always is a permit.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            idle: self.idle,
            deadline: Box::pin(sleep(self.idle)),
            _permit: permit,
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Connection that fails once nothing has been read or written for a while.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Polls the stream. Progress moves the deadline, and no progress beyond the deadline is an error.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = poll(Pin::new(&mut self.stream), cx);
        if polled.is_ready() {
            self.deadline.as_mut().reset(Instant::now() + self.idle);
            return polled;
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    // Neither waits for the client on a TCP stream, so neither moves the deadline.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use futures::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinSet;

    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn clients_that_send_or_read_nothing_make_room_for_the_next() {
        let endless = || async {
            let parts = stream::repeat_with(|| Ok::<_, std::convert::Infallible>(vec![0; 65_536]));
            Body::from_stream(parts)
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/endless", get(endless));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limiter = ConnectionLimiter::with_bounds(listener, 3, Duration::from_millis(100));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(limiter, router).await });
        let _silent = TcpStream::connect(address).await.unwrap();
        let _unread = ask(address, "/endless").await;
        let mut kept = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        kept.write_all(request).await.unwrap();
        // All permits are taken, and all are free again after a while.
        for _ in 0..3 {
            let mut text = String::new();
            let mut stream = ask(address, "/").await;
            stream.read_to_string(&mut text).await.unwrap();
            assert!(text.ends_with("here"), "{text}");
        }
        let mut text = String::new();
        kept.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("here"), "{text}");
    }
}
