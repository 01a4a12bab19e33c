//! A flow: edges are opened, parts are added and run at once, and in the end it is drained.
//!
//! Invariant: a flow owns every task and thread of its parts. Parts are added from the last to the
//! first or in any other order: what is sent before a stage is added waits on its edge.

use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Semaphore;

use crate::StopToken;
use crate::control::{Board, Control, Kind, Part};
use crate::cpu::{self, MOST_THREADS};
use crate::crew::Crew;
use crate::drain::{DrainReport, Ended, Fate, REMIND_EVERY, Running};
use crate::edge::{self, Inlet, Outlet};
use crate::meters::{EdgeMeters, Meters, StageMeters};
use crate::pass::Post;
use crate::source::{self, Source};
use crate::stage::{BatchStage, CpuStage, Never, Stage};
use crate::tick::{self, Tick};
use crate::verdict::{BoxError, Panicked};
use crate::workers::{self, Many, One, Work};

/// A running machine of sources, stages and ticks. Add to it inside a tokio runtime.
///
/// A flow that is dropped without [`drain`](Self::drain) aborts its parts where they are.
pub struct Flow {
    meters: Meters,
    board: Arc<Board>,
    fate: Arc<Fate>,
    running: Running,
}

impl Flow {
    /// An empty flow.
    #[must_use]
    pub fn new(meters: Meters) -> Self {
        Self {
            meters,
            board: Arc::default(),
            fate: Arc::default(),
            running: Running::default(),
        }
    }

    /// Opens the edge that leads to the stage `to`, with this many places.
    pub fn edge<T>(&mut self, to: &'static str, capacity: NonZeroUsize) -> (Outlet<T>, Inlet<T>) {
        edge::edge(self.meters.edge(to), capacity)
    }

    /// The outlet of a last stage.
    #[must_use]
    pub fn last_outlet() -> Outlet<Never> {
        edge::last()
    }

    /// Runs a source.
    pub fn source<S: Source>(&mut self, source: S, out: Outlet<S::Out>) {
        let meters = self.show(S::NAME, Kind::Source);
        let fate = Arc::clone(&self.fate);
        self.spawn(
            S::NAME,
            Kind::Source,
            source::run(source, out, meters, fate),
        );
    }

    /// Runs a stage.
    pub fn stage<S: Stage>(
        &mut self,
        stage: S,
        workers: NonZeroUsize,
        inlet: Inlet<S::In>,
        out: Outlet<S::Out>,
    ) {
        let post = self.post((S::NAME, Kind::Stage), inlet.meters(), workers, usize::MAX);
        self.work(Kind::Stage, One(stage), (inlet, out), post);
    }

    /// Runs a stage that takes batches.
    pub fn batch_stage<S: BatchStage>(
        &mut self,
        stage: S,
        workers: NonZeroUsize,
        inlet: Inlet<S::In>,
        out: Outlet<S::Out>,
    ) {
        let post = self.post((S::NAME, Kind::Batch), inlet.meters(), workers, usize::MAX);
        self.work(Kind::Batch, Many(stage), (inlet, out), post);
    }

    /// Runs a stage on threads of its own, one a worker, at most 256.
    pub fn cpu_stage<S: CpuStage>(
        &mut self,
        stage: S,
        workers: NonZeroUsize,
        inlet: Inlet<S::In>,
        out: Outlet<S::Out>,
    ) {
        let post = self.post((S::NAME, Kind::Cpu), inlet.meters(), workers, MOST_THREADS);
        self.spawn(S::NAME, Kind::Cpu, cpu::run(stage, inlet, out, post));
    }

    /// Runs a side loop.
    pub fn tick<T: Tick>(&mut self, tick: T) {
        let meters = self.show(T::NAME, Kind::Tick);
        let ticking = tick::run(tick, meters, Arc::clone(&self.fate));
        self.spawn(T::NAME, Kind::Tick, ticking.map(Ok));
    }

    /// A handle to look at the flow and to change it.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.board), self.fate.stop.clone())
    }

    /// The token that stops the sources and the ticks.
    #[must_use]
    pub fn stop_token(&self) -> StopToken {
        self.fate.stop.clone()
    }

    /// Resolves when a part has died, or when all sources and stages have ended. The sources and
    /// ticks have been told to stop if a part died; call [`drain`](Self::drain) next. Nothing is
    /// lost when the future is dropped.
    pub async fn ended(&mut self) -> Ended {
        tokio::select! {
            biased;
            () = self.fate.died.cancelled() => Ended::Died,
            () = self.running.line_ended() => {
                if self.fate.died.is_cancelled() { Ended::Died } else { Ended::Finished }
            }
        }
    }

    /// Stops the sources and waits until all parts have ended. A line every 5 s names those that
    /// have not; after the grace they are aborted and named in the report.
    pub async fn drain(self, grace: Duration) -> DrainReport {
        self.drain_and_remind(grace, REMIND_EVERY).await
    }

    pub(crate) async fn drain_and_remind(self, grace: Duration, every: Duration) -> DrainReport {
        self.fate.stop.cancel();
        self.running
            .drain(&self.board, &self.fate, (grace, every))
            .await
    }

    fn work<W: Work>(
        &mut self,
        kind: Kind,
        work: W,
        (inlet, out): (Inlet<W::In>, Outlet<W::Out>),
        post: Arc<Post>,
    ) {
        self.spawn(
            post.name,
            kind,
            workers::run(work, inlet, out, post).map(Ok),
        );
    }

    /// Makes the post of a stage and shows it on the board.
    fn post(
        &self,
        (name, kind): (&'static str, Kind),
        edge: &EdgeMeters,
        workers: NonZeroUsize,
        most: usize,
    ) -> Arc<Post> {
        let meters = Arc::new(self.meters.stage(name));
        let crew = Arc::new(Crew::new(
            workers,
            most.min(Semaphore::MAX_PERMITS),
            &meters,
        ));
        self.board.add(Part {
            name,
            kind,
            meters: Arc::clone(&meters),
            edge: Some(edge.clone()),
            crew: Some(Arc::clone(&crew)),
        });
        Arc::new(Post {
            name,
            meters,
            crew,
            fate: Arc::clone(&self.fate),
            halt: StopToken::new(),
        })
    }

    /// Shows a part without an inlet on the board.
    fn show(&self, name: &'static str, kind: Kind) -> Arc<StageMeters> {
        let meters = Arc::new(self.meters.stage(name));
        self.board.add(Part {
            name,
            kind,
            meters: Arc::clone(&meters),
            edge: None,
            crew: None,
        });
        meters
    }

    /// Runs a part; an error or a panic of the part itself stops the program.
    fn spawn<F>(&mut self, name: &'static str, kind: Kind, part: F)
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let fate = Arc::clone(&self.fate);
        self.running.spawn(name, kind, async move {
            match AssertUnwindSafe(part).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => fate.fail(name, error),
                Err(payload) => fate.fail(name, Panicked::from_payload(payload.as_ref()).into()),
            }
        });
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("control", &self.control())
            .finish_non_exhaustive()
    }
}
