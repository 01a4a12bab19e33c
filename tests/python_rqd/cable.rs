//! A cable to a daemon: an address of its own on loopback, whose connections are counted.
//!
//! Daemons listen at one address and at ports of their own, while a farm has one port and an
//! address for each host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A TCP forwarder. Dropping it ends all its connections.
pub struct Cable {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinSet<()>,
}

impl Cable {
    /// Forwards from `from`, whose port may be 0.
    pub async fn lay(from: SocketAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind(from).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(forward(near, to));
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }

    /// The near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and takes no new one: the address refuses them.
    pub async fn cut(&mut self) {
        self.task.shutdown().await;
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn forward(mut near: TcpStream, to: SocketAddr) {
    // The far end may be gone; then the near one ends as well.
    if let Ok(mut far) = TcpStream::connect(to).await {
        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
