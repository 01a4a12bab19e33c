//! A cable between a scheduler and PostgreSQL that can be cut and joined again, and that can break at a commit.
//!
//! It reads along what is sent. When a COMMIT comes by and a break is due, the connection ends
//! before it, with it, or when the server has answered it and the answer has not arrived. Cut, it ends every
//! connection at once and takes no new one.
//! Invariant: all its tasks end with it.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The message that commits, as sqlx sends it: a simple query of one word.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// Point at which a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The server never sees the COMMIT.
    Before,
    /// The server gets the COMMIT and finds nobody to answer.
    During,
    /// The server has committed; its answer is lost.
    After,
}

struct State {
    target: String,
    /// Breaks that are due, the next one last.
    due: Mutex<Vec<Break>>,
    broken: watch::Sender<usize>,
    joined: watch::Sender<bool>,
    /// True if nothing gets through any more after the last break.
    stays_broken: bool,
}

/// The cable.
pub struct Cable {
    address: SocketAddr,
    state: Arc<State>,
    _task: JoinSet<()>,
}

impl Cable {
    /// A cable to the server of a database, with breaks to come at the next commits.
    pub async fn to(database: &str, breaks: Vec<Break>, stays_broken: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(State {
            target: place(database),
            due: Mutex::new(breaks),
            broken: watch::Sender::new(0),
            joined: watch::Sender::new(true),
            stays_broken,
        });
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            _task: task,
        }
    }

    /// The database's URL through the cable.
    pub fn url(&self, direct: &str) -> String {
        let place = place(direct);
        assert_eq!(direct.matches(&place).count(), 1, "{place} in {direct}");
        direct.replace(&place, &self.address.to_string())
    }

    /// Waits until the cable has broken so often.
    pub async fn broken(&self, n: usize) {
        let mut broken = self.state.broken.subscribe();
        broken.wait_for(|broken| *broken >= n).await.unwrap();
    }

    /// Breaks the connection that sends the next commit, and resolves when that has happened.
    pub async fn break_next(&self, how: Break) {
        let mut broken = self.state.broken.subscribe();
        self.state.due.lock().unwrap().push(how);
        broken.changed().await.unwrap();
    }

    /// Ends every connection, and takes no new one.
    pub fn cut(&self) {
        self.state.joined.send_replace(false);
    }

    /// Lets everything through again.
    pub fn join(&self) {
        self.state.joined.send_replace(true);
    }
}

fn place(database: &str) -> String {
    let direct = PgConnectOptions::from_str(database).unwrap();
    format!("{}:{}", direct.get_host(), direct.get_port())
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                if *state.joined.borrow() {
                    let state = Arc::clone(&state);
                    connections.spawn(async move {
                        // An end is an end, whatever the reason: both sides learn of it by the drop.
                        let _ended = forward(near, &state).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(mut near: TcpStream, state: &State) -> std::io::Result<()> {
    let mut far = TcpStream::connect(&state.target).await?;
    let mut joined = state.joined.subscribe();
    let (mut out, mut back) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = near.read(&mut out) => {
                let sent = &out[..read?];
                if sent.is_empty() {
                    return Ok(());
                }
                if let Some(due) = state.due_at(sent) {
                    if due != Break::Before {
                        far.write_all(sent).await?;
                    }
                    if due == Break::After {
                        // The first byte proves that the server has decided; all of it is lost.
                        far.readable().await?;
                    }
                    state.note_break();
                    return Ok(());
                }
                far.write_all(sent).await?;
            }
            read = far.read(&mut back) => {
                let answer = &back[..read?];
                if answer.is_empty() {
                    return Ok(());
                }
                near.write_all(answer).await?;
            }
            () = is_cut(&mut joined) => return Ok(()),
        }
    }
}

/// Resolves when nothing is let through any more.
async fn is_cut(joined: &mut watch::Receiver<bool>) {
    // The sender outlives every connection, so the wait cannot end by its loss.
    let _state = joined.wait_for(|joined| !joined).await;
}

impl State {
    /// The break that is due when this is sent.
    fn due_at(&self, sent: &[u8]) -> Option<Break> {
        let commits = sent.windows(COMMIT.len()).any(|part| part == COMMIT);
        commits.then(|| self.due.lock().unwrap().pop()).flatten()
    }

    fn note_break(&self) {
        if self.stays_broken && self.due.lock().unwrap().is_empty() {
            self.joined.send_replace(false);
        }
        self.broken.send_modify(|broken| *broken += 1);
    }
}
