//! The two ends of a stage that is measured alone: a source that never lets it wait, and a sink that
//! never holds it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use cue_flow::{BoxError, Flow, Meters, Never, Outlet, Source, Stage, StopToken, Verdict};
use prometheus::Registry;

use crate::stats::count;

/// How long a flow may take to end.
const GRACE: Duration = Duration::from_secs(30);

/// Gives what `next` makes, until it makes no more.
pub(super) struct Feed<T, F> {
    next: F,
    made: std::marker::PhantomData<fn() -> T>,
}

impl<T, F: FnMut() -> Option<T>> Feed<T, F> {
    pub(super) const fn new(next: F) -> Self {
        Self {
            next,
            made: std::marker::PhantomData,
        }
    }
}

impl<T, F> Source for Feed<T, F>
where
    T: Send + 'static,
    F: FnMut() -> Option<T> + Send + 'static,
{
    const NAME: &'static str = "feed";
    type Out = T;

    async fn run(mut self, out: Outlet<T>, stop: StopToken) -> Result<(), BoxError> {
        while let Some(item) = (self.next)() {
            tokio::select! {
                biased;
                sent = out.send(item) => if sent.is_err() { break },
                () = stop.cancelled() => break,
            }
        }
        Ok(())
    }
}

/// Takes everything, weighs it, drops it.
pub(super) struct Sink<T> {
    weigh: fn(&T) -> u64,
    taken: Arc<AtomicU64>,
}

impl<T> Sink<T> {
    /// A sink, and what it has taken by weight.
    pub(super) fn new(weigh: fn(&T) -> u64) -> (Self, Arc<AtomicU64>) {
        let taken = Arc::<AtomicU64>::default();
        let sink = Self {
            weigh,
            taken: Arc::clone(&taken),
        };
        (sink, taken)
    }
}

impl<T: Send + 'static> Stage for Sink<T> {
    const NAME: &'static str = "sink";
    type In = T;
    type Out = Never;

    async fn handle(&self, item: T, _: &Outlet<Never>) -> Verdict {
        self.taken.fetch_add((self.weigh)(&item), Ordering::Relaxed);
        Verdict::Done
    }
}

/// Builds a flow with `build`, lets it run until its source has no more, and says how much of what
/// the returned counter counts went through it in a second.
pub(super) async fn rate(build: impl FnOnce(&mut Flow) -> Arc<AtomicU64>) -> anyhow::Result<f64> {
    let mut flow = Flow::new(Meters::new(&Registry::new())?);
    let began = Instant::now();
    let taken = build(&mut flow);
    flow.ended().await;
    let seconds = began.elapsed().as_secs_f64();
    let report = flow.drain(GRACE).await;
    ensure!(
        report.fatal.is_none() && report.laggards.is_empty(),
        "a stage did not end in good order: {report:?}"
    );
    let taken = taken.load(Ordering::Relaxed);
    ensure!(taken > 0, "nothing went through the stage");
    Ok(count(taken) / seconds.max(1e-9))
}

/// A source that gives `next` until `time` is over.
pub(super) fn for_a_time<T>(
    time: Duration,
    mut next: impl FnMut() -> T + Send + 'static,
) -> impl FnMut() -> Option<T> + Send + 'static {
    let began = Instant::now();
    move || (began.elapsed() < time).then(&mut next)
}
