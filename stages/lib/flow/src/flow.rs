//! A flow: owns its parts from their start to the drain.
//!
//! Invariant: a flow owns every task of its parts. Parts start in any order: an item that is sent before its stage
//! starts waits on the edge.

use std::convert::Infallible;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::blocking::{Blocking, MOST_THREADS};
use crate::context::{Kind, StageContext};
use crate::control::{Control, StageRegistry};
use crate::drain::{self, DrainReport, Ended, REMIND_EVERY};
use crate::edge::{self, Inlet, Outlet};
use crate::meters::{EdgeMeters, Meters};
use crate::shutdown::ShutdownState;
use crate::source::{self, Source, StopToken};
use crate::stage::{CpuStage, Stage};
use crate::tick::{self, Tick};
use crate::verdict::{BoxError, Panicked};
use crate::worker_pool::WorkerPool;
use crate::workers;

/// Running lines and ticks. They are added inside a tokio runtime.
///
/// A flow that is dropped without [`drain`](Self::drain) aborts its parts.
pub struct Flow {
    meters: Meters,
    registry: Arc<StageRegistry>,
    shutdown: Arc<ShutdownState>,
    tasks: JoinSet<()>,
}

impl Flow {
    /// An empty flow.
    pub fn new(meters: Meters) -> Self {
        Self {
            meters,
            registry: Arc::default(),
            shutdown: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Opens the edge to the stage `to`.
    pub(crate) fn edge<T>(
        &mut self,
        to: &'static str,
        capacity: NonZeroUsize,
    ) -> (Outlet<T>, Inlet<T>) {
        edge::edge(to, self.meters.edge(to), capacity)
    }

    /// The outlet of a last stage.
    pub(crate) fn last_outlet() -> Outlet<Infallible> {
        edge::last()
    }

    /// Runs a source.
    pub(crate) fn source<S: Source>(&mut self, source: S, out: Outlet<S::Out>) {
        let context = self.part(S::NAME, Kind::Source, NonZeroUsize::MIN, None);
        self.spawn(&context, source::run(source, out, Arc::clone(&context)));
    }

    /// Runs a stage.
    pub(crate) fn stage<S: Stage>(
        &mut self,
        stage: S,
        workers: NonZeroUsize,
        inlet: Inlet<S::In>,
        out: Outlet<S::Out>,
    ) {
        let context = self.part(S::NAME, Kind::Stage, workers, Some(inlet.meters().clone()));
        let running = workers::run(stage, inlet, out, Arc::clone(&context));
        self.spawn(&context, running.map(Ok));
    }

    /// Runs a stage that computes.
    pub(crate) fn cpu_stage<S: CpuStage>(
        &mut self,
        stage: S,
        workers: NonZeroUsize,
        inlet: Inlet<S::In>,
        out: Outlet<S::Out>,
    ) {
        let context = self.part(S::NAME, Kind::Cpu, workers, Some(inlet.meters().clone()));
        let running = workers::run(Blocking::new(stage), inlet, out, Arc::clone(&context));
        self.spawn(&context, running.map(Ok));
    }

    /// Runs a side loop.
    pub fn tick<T: Tick>(&mut self, tick: T) {
        let context = self.part(T::NAME, Kind::Tick, NonZeroUsize::MIN, None);
        let ticking = tick::run(tick, Arc::clone(&context));
        self.spawn(&context, ticking.map(Ok));
    }

    /// A handle to the flow.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.registry))
    }

    /// The token that stops the sources and the ticks.
    pub fn stop_token(&self) -> StopToken {
        self.shutdown.stop.clone()
    }

    /// Resolves when a part has died, which stops the sources and ticks, or when all sources and stages have ended.
    /// Call [`drain`](Self::drain) next. A future that is dropped loses nothing.
    pub async fn ended(&mut self) -> Ended {
        tokio::select! {
            biased;
            () = self.shutdown.died.cancelled() => Ended::Died,
            () = self.registry.line_ended() => {
                if self.shutdown.died.is_cancelled() { Ended::Died } else { Ended::Finished }
            }
        }
    }

    /// Stops the sources and waits until all parts have ended. A log line every 5 s names those that have not; after
    /// the grace they are aborted and named in the report.
    pub async fn drain(self, grace: Duration) -> DrainReport {
        self.drain_and_remind(grace, REMIND_EVERY).await
    }

    pub(crate) async fn drain_and_remind(self, grace: Duration, every: Duration) -> DrainReport {
        self.shutdown.stop.cancel();
        drain::drain(self.tasks, &self.registry, &self.shutdown, (grace, every)).await
    }

    /// Adds a part to the registry.
    fn part(
        &self,
        name: &'static str,
        kind: Kind,
        workers: NonZeroUsize,
        edge: Option<EdgeMeters>,
    ) -> Arc<StageContext> {
        let most = match kind {
            Kind::Cpu => MOST_THREADS,
            _ => Semaphore::MAX_PERMITS,
        };
        let meters = self.meters.stage(name);
        let context = Arc::new(StageContext {
            name,
            kind,
            pool: Arc::new(WorkerPool::new(workers, most, &meters)),
            meters,
            edge,
            shutdown: Arc::clone(&self.shutdown),
            halt: StopToken::new(),
            ended: StopToken::new(),
        });
        self.registry.add(Arc::clone(&context));
        context
    }

    /// Runs a part; an error or a panic of the part itself stops the program.
    fn spawn<F>(&mut self, context: &Arc<StageContext>, part: F)
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let context = Arc::clone(context);
        self.tasks.spawn(async move {
            match AssertUnwindSafe(part).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => context.die(error),
                Err(payload) => context.die(Panicked::from_payload(payload.as_ref()).into()),
            }
            context.ended.cancel();
        });
    }
}
