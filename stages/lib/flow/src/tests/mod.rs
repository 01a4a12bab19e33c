//! Fixtures of the runtime's tests: counts that can be awaited, and gates to hold stages.
//!
//! Nothing here sleeps. A test waits for a gate to be entered or for a count to be reached, and shows by arithmetic
//! that nothing else happens: when all queues and workers are full, no item can move.

mod backpressure;
mod cpu;
mod critical_path;
mod drain;
mod edge;
mod fatal;
mod line;
mod panic;
mod random;
mod release;
mod resize;
mod retry;
mod spans;
mod stages;
mod tick;

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use tokio::sync::{Semaphore, watch};

use crate::edge::Inlet;
use crate::{
    BoxError, CpuStage, Flow, Meters, Outlet, Source, Stage, StageStatus, StopToken, Verdict,
};
use stages::{CpuDoes, CpuRelay, Does, Given, Numbers, Relay, cpu_keeper, keeper};

/// Long enough for any machine, for tests that would otherwise hang when they fail.
const PATIENCE: Duration = Duration::from_secs(20);

fn flow() -> Flow {
    Flow::new(Meters::new(&prometheus::Registry::new()).unwrap())
}

fn n(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this takes far too long")
}

/// Gives every other task of this single-threaded runtime the chance to do all it can.
async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

fn status(flow: &Flow, name: &str) -> StageStatus {
    flow.control()
        .snapshot()
        .into_iter()
        .find(|status| status.name == name)
        .unwrap()
}

/// Takes an item from an edge without a stage.
async fn take<T>(inlet: &mut Inlet<T>) -> Option<T> {
    inlet.next().await.map(|taken| taken.item)
}

/// A name for a stage.
trait Label: Send + Sync + 'static {
    const NAME: &'static str;
}

macro_rules! labels {
    ($($label:ident = $name:literal),*) => {$(
        struct $label;
        impl Label for $label {
            const NAME: &'static str = $name;
        }
    )*};
}
labels!(A = "a", B = "b", C = "c", D = "d", E = "e", Z = "z");

/// A count that can be awaited.
#[derive(Clone)]
struct Count(watch::Sender<u64>);

impl Count {
    fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    fn up(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    fn get(&self) -> u64 {
        *self.0.borrow()
    }

    async fn reach(&self, count: u64) {
        within(self.0.subscribe().wait_for(|now| *now >= count))
            .await
            .unwrap();
    }
}

/// Holds those who enter until it is opened.
#[derive(Clone)]
struct Gate {
    entered: Count,
    open: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self {
            entered: Count::new(),
            open: Arc::new(Semaphore::new(0)),
        }
    }

    fn open(&self, times: usize) {
        self.open.add_permits(times);
    }

    fn open_for_good(&self) {
        self.open(1 << 20);
    }

    async fn enter(&self) {
        self.entered.up();
        self.open.acquire().await.unwrap().forget();
    }
}
