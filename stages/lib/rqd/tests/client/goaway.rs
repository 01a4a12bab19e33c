//! Peers that close connections (GOAWAY), spoken to in bare HTTP/2 frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cue_rqd::{LaunchError, LaunchOutcome, NotSent, RqdClient, RqdSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{frame, settings};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Reaction of a peer to the requests of one connection. In all cases it has the patience of the
/// strictest server: the first ping ends the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    /// Says OK.
    Answer,
    /// Says that it closes and has processed nothing.
    GoAwayBefore(u32),
    /// Says that it closes and has processed the request, and closes.
    GoAwayAfter(u32),
    /// Refuses the stream.
    Refuse,
    /// Says OK, and then that it closes.
    AnswerAndGoAway,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    pings: AtomicUsize,
}

struct Peer {
    address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl Peer {
    /// The n-th connection has the n-th policy, later ones the last.
    async fn start(policies: &[Policy]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (policies, counts) = (policies.to_vec(), Arc::clone(&seen));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = counts.connections.fetch_add(1, Ordering::SeqCst);
                let policy = policies[number.min(policies.len() - 1)];
                let seen = Arc::clone(&counts);
                // A connection that breaks is the end of it, and what the tests are about.
                connections.spawn(async move { serve(stream, policy, &seen).await.unwrap_or(()) });
            }
        });
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    fn client(&self) -> RqdClient {
        RqdClient::new(settings(&self.address.to_string()))
    }

    /// Connections, requests and pings.
    fn seen(&self) -> [usize; 3] {
        let Seen {
            connections,
            requests,
            pings,
        } = &*self.seen;
        [connections, requests, pings].map(|count| count.load(Ordering::SeqCst))
    }
}

async fn serve(mut stream: TcpStream, policy: Policy, seen: &Seen) -> std::io::Result<()> {
    stream.read_exact(&mut [0; 24]).await?;
    stream.write_all(&bytes(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [_, a, b, kind, flags, id @ ..] = head;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([a, b]))];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes(id);
        match kind {
            SETTINGS if flags & ACK == 0 => {
                stream.write_all(&bytes(SETTINGS, ACK, 0, &[])).await?;
            }
            PING if flags & ACK == 0 => {
                seen.pings.fetch_add(1, Ordering::SeqCst);
                return stream.write_all(&go_away(id, ENHANCE_YOUR_CALM)).await;
            }
            HEADERS | DATA if flags & END_STREAM != 0 => {
                seen.requests.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&answer(policy, id)).await?;
                if matches!(policy, Policy::GoAwayAfter(_)) {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}

fn answer(policy: Policy, id: u32) -> Vec<u8> {
    match policy {
        Policy::Answer => ok(id),
        Policy::GoAwayBefore(code) => go_away(0, code),
        Policy::GoAwayAfter(code) => go_away(id, code),
        Policy::Refuse => bytes(RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()),
        Policy::AnswerAndGoAway => [ok(id), go_away(id, NO_ERROR)].concat(),
    }
}

fn bytes(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![0, length[0], length[1], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    frame
}

fn go_away(last: u32, code: u32) -> Vec<u8> {
    let payload = [&last.to_be_bytes(), &code.to_be_bytes(), &b"closing"[..]].concat();
    bytes(GOAWAY, 0, 0, &payload)
}

/// An empty message and the status OK.
fn ok(id: u32) -> Vec<u8> {
    // Entry 8 of HPACK's table is `:status 200`.
    let head = [&[0x88], &*header("content-type", "application/grpc")].concat();
    [
        bytes(HEADERS, END_HEADERS, id, &head),
        bytes(DATA, 0, id, &[0; 5]),
        bytes(
            HEADERS,
            END_HEADERS | END_STREAM,
            id,
            &header("grpc-status", "0"),
        ),
    ]
    .concat()
}

/// A header as a literal that is not indexed.
fn header(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let mut bytes = vec![0, length(name)];
    bytes.extend(name.bytes());
    bytes.push(length(value));
    bytes.extend(value.bytes());
    bytes
}

#[tokio::test]
async fn an_idle_client_never_pings() {
    let peer = Peer::start(&[Policy::Answer]).await;
    let client = RqdClient::new(RqdSettings {
        keepalive: Duration::from_secs(1),
        keepalive_timeout: Duration::from_secs(2),
        ..settings(&peer.address.to_string())
    });
    client.launch("h", frame("f1")).await.unwrap();
    // Idleness is the passing of time itself; there is no signal to wait for.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    client.launch("h", frame("f2")).await.unwrap();
    assert_eq!(peer.seen(), [1, 2, 0]);
}

#[tokio::test]
async fn a_launch_that_the_closing_peer_did_not_process_is_sent_again() {
    for before in [
        Policy::GoAwayBefore(NO_ERROR),
        Policy::GoAwayBefore(ENHANCE_YOUR_CALM),
        Policy::Refuse,
    ] {
        let peer = Peer::start(&[before, Policy::Answer]).await;
        peer.client().launch("h", frame("f1")).await.unwrap();
        assert_eq!(peer.seen(), [2, 2, 0], "{before:?}");
    }
}

#[tokio::test]
async fn a_launch_that_no_connection_processes_was_not_sent() {
    let peer = Peer::start(&[Policy::GoAwayBefore(NO_ERROR)]).await;
    let error = peer.client().launch("h", frame("f1")).await.unwrap_err();
    assert!(
        matches!(
            error,
            LaunchError::Unreachable {
                source: NotSent::Lost(_),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(peer.seen(), [2, 2, 0]);
}

#[tokio::test]
async fn a_launch_that_the_closing_peer_may_have_processed_is_in_doubt() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let peer = Peer::start(&[Policy::GoAwayAfter(code), Policy::Answer]).await;
        let error = peer.client().launch("h", frame("f1")).await.unwrap_err();
        assert_eq!(error.outcome(), LaunchOutcome::MayRun, "{error:?}");
        assert_eq!((peer.seen(), error.answer()), ([1, 1, 0], None));
    }
}

#[tokio::test]
async fn launches_go_on_while_every_connection_closes_after_its_first() {
    let peer = Peer::start(&[Policy::AnswerAndGoAway]).await;
    let client = peer.client();
    for n in 0..50 {
        client.launch("h", frame(&n.to_string())).await.unwrap();
    }
    assert_eq!(peer.seen()[1], 50, "each was processed once");
}
