//! The line to a database: it can be closed, reset, swallow what is sent, or lead to another server.
//!
//! Invariant: all tasks of the line end with it.

use std::net::SocketAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Fate of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything is forwarded.
    Open,
    /// Connections end in an orderly way, and new ones are turned away.
    Closed,
    /// Connections end with RST, and new ones likewise.
    Reset,
    /// Nothing is forwarded any more and nobody learns it; new connections are accepted and never
    /// answered.
    Swallow,
    /// As [`Mode::Swallow`], for every second connection of those that are open, as soon as it has no transaction;
    /// new ones work.
    SwallowHalf,
}

/// Fate of the connections, and the place of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    mode: Mode,
    target: String,
}

/// A TCP proxy on loopback.
pub struct Line {
    address: SocketAddr,
    route: watch::Sender<Route>,
    _task: JoinSet<()>,
}

impl Line {
    /// A line to the server of a database.
    pub async fn to(database: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (route, watched) = watch::channel(Route {
            mode: Mode::Open,
            target: place(database),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, watched));
        Self {
            address,
            route,
            _task: task,
        }
    }

    /// The URL of the database through the line.
    pub fn url(&self, direct: &str) -> String {
        let place = place(direct);
        assert_eq!(direct.matches(&place).count(), 1, "{place} in {direct}");
        direct.replace(&place, &self.address.to_string())
    }

    /// Changes what becomes of the connections.
    pub fn set(&self, mode: Mode) {
        self.route.send_modify(|route| route.mode = mode);
    }

    /// Ends the connections, and leads new ones to another server.
    pub fn lead_to(&self, database: &str) {
        let target = place(database);
        self.route.send_modify(|route| route.target = target);
    }
}

fn place(database: &str) -> String {
    let options = PgConnectOptions::from_str(database).unwrap();
    format!("{}:{}", options.get_host(), options.get_port())
}

async fn accept(listener: TcpListener, route: watch::Receiver<Route>) {
    let mut connections = JoinSet::new();
    let mut accepted = 0_usize;
    loop {
        tokio::select! {
            next = listener.accept() => {
                let Ok((near, _)) = next else { continue };
                accepted += 1;
                connections.spawn(carry(near, route.clone(), accepted.is_multiple_of(2)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The end of an answer after which a session has no transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Forwards a connection while the route lets it.
async fn carry(mut near: TcpStream, mut route: watch::Receiver<Route>, even: bool) {
    let first = route.borrow_and_update().clone();
    if !matches!(first.mode, Mode::Open | Mode::SwallowHalf) {
        end(near, None, first.mode, &mut route).await;
        return;
    }
    let Ok(mut far) = TcpStream::connect(&first.target).await else {
        return;
    };
    let ends = |route: &Route, ready: bool| match route.mode {
        _ if route.target != first.target => true,
        Mode::Open => false,
        Mode::SwallowHalf => even && ready && first.mode == Mode::Open,
        Mode::Closed | Mode::Reset | Mode::Swallow => true,
    };
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut ready = false;
    let last = loop {
        let now = route.borrow_and_update().clone();
        if ends(&now, ready) {
            break now.mode;
        }
        tokio::select! {
            read = near.read(&mut asked) => {
                let asked = &asked[..read.unwrap_or(0)];
                if asked.is_empty() || far.write_all(asked).await.is_err() {
                    return;
                }
                ready = false;
            }
            read = far.read(&mut answered) => {
                let answered = &answered[..read.unwrap_or(0)];
                if answered.is_empty() || near.write_all(answered).await.is_err() {
                    return;
                }
                ready = answered.ends_with(READY);
            }
            changed = route.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    };
    end(near, Some(far), last, &mut route).await;
}

/// Ends a connection as the mode says.
async fn end(
    near: TcpStream,
    far: Option<TcpStream>,
    how: Mode,
    route: &mut watch::Receiver<Route>,
) {
    match how {
        Mode::Reset => {
            let _unsupported = near.set_zero_linger();
        }
        Mode::Swallow | Mode::SwallowHalf => {
            // The server hears of the end when the line is whole again. What was swallowed stays lost: the client
            // has to give the connection up.
            drop(route.wait_for(|route| route.mode == Mode::Open).await);
            drop(far);
            drop(route.wait_for(|route| route.mode == Mode::Closed).await);
        }
        Mode::Open | Mode::Closed => {}
    }
    drop(near);
}
