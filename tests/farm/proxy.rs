//! A cable between the scheduler and its database that can be cut and joined again, and that can
//! break at the worst moment: at a commit, before it arrives or before its answer does.
//!
//! Cut, it ends every connection at once and takes no new one: those who knock are turned away.
//! Invariant: all its tasks end with it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where a connection breaks at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Before the server has heard of it: it does not take place.
    Commit,
    /// After the server has said that it took place, before the client hears that.
    Answer,
}

/// A TCP proxy on loopback.
pub struct Proxy {
    address: SocketAddr,
    joined: watch::Sender<bool>,
    plan: Plan,
    _task: JoinSet<()>,
}

/// What is to be lost next, and how many commits have been.
#[derive(Clone)]
struct Plan {
    next: Arc<Mutex<Option<Loss>>>,
    lost: watch::Sender<usize>,
}

impl Proxy {
    /// Begins to forward to `target`, a `host:port`.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (joined, is_joined) = watch::channel(true);
        let plan = Plan {
            next: Arc::default(),
            lost: watch::Sender::new(0),
        };
        let mut task = JoinSet::new();
        task.spawn(accept(listener, target, is_joined, plan.clone()));
        Self {
            address,
            joined,
            plan,
            _task: task,
        }
    }

    /// A database URL that leads through the proxy instead of straight to `place`.
    pub fn url(&self, direct: &str, place: &str) -> String {
        assert_eq!(direct.matches(place).count(), 1, "{place} in {direct}");
        direct.replace(place, &self.address.to_string())
    }

    /// Ends every connection, and takes no new one.
    pub fn cut(&self) {
        self.joined.send_replace(false);
    }

    /// Takes connections again.
    pub fn join(&self) {
        self.joined.send_replace(true);
    }

    /// Breaks the connection that sends the next commit, and resolves when that has happened.
    pub async fn lose_next(&self, loss: Loss) {
        let mut lost = self.plan.lost.subscribe();
        *self.plan.next.lock().unwrap() = Some(loss);
        lost.changed().await.unwrap();
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    is_joined: watch::Receiver<bool>,
    plan: Plan,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                if !*is_joined.borrow() {
                    continue;
                }
                let (target, plan, mut is_joined) = (target.clone(), plan.clone(), is_joined.clone());
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(&target).await else { return };
                    // Whichever ends first, both streams are dropped, and both sides learn of it.
                    tokio::select! {
                        _ = forward(near, far, plan) => {}
                        _ = is_joined.wait_for(|joined| !joined) => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards until one side ends, or the connection is to break.
async fn forward(mut near: TcpStream, mut far: TcpStream, plan: Plan) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let asked = &asked[..read?];
                let commits = asked.windows(6).any(|word| word == b"COMMIT");
                let loss = commits.then(|| plan.next.lock().unwrap().take()).flatten();
                if loss != Some(Loss::Commit) {
                    far.write_all(asked).await?;
                }
                if loss == Some(Loss::Answer) {
                    // Any part of the answer will do: by then the server has committed.
                    let said = far.read(&mut answered).await?;
                    assert!(said > 0, "the server answers a commit");
                }
                if loss.is_some() {
                    plan.lost.send_modify(|lost| *lost += 1);
                }
                if loss.is_some() || asked.is_empty() {
                    return Ok(());
                }
            }
            read = far.read(&mut answered) => {
                let answered = &answered[..read?];
                if answered.is_empty() {
                    return Ok(());
                }
                near.write_all(answered).await?;
            }
        }
    }
}
