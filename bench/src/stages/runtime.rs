//! What the stage runtime itself costs: stages that do nothing but hand on.

use std::num::NonZeroUsize;

use cue_flow::{BatchStage, CpuStage, Outlet, Stage, Verdict};

use super::parts::{Feed, Sink, rate};
use super::{Alone, StagesOptions, each};

/// Places on an edge, as many as job fetch to layer lock has.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);

struct Pass;

impl Stage for Pass {
    const NAME: &'static str = "pass";
    type In = u64;
    type Out = u64;

    async fn handle(&self, item: u64, out: &Outlet<u64>) -> Verdict {
        match out.send(item).await {
            Ok(()) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}

struct Batches;

impl BatchStage for Batches {
    const NAME: &'static str = "batches";
    type In = u64;
    type Out = u64;

    fn max_batch(&self) -> usize {
        32
    }

    async fn handle(&self, items: Vec<u64>, out: &Outlet<u64>) -> Verdict {
        for item in items {
            if let Err(closed) = out.send(item).await {
                return closed.into();
            }
        }
        Verdict::Done
    }
}

struct Threads;

impl CpuStage for Threads {
    const NAME: &'static str = "threads";
    type In = u64;
    type Out = u64;

    fn handle(&self, item: u64, out: &Outlet<u64>) -> Verdict {
        match out.send_blocking(item) {
            Ok(()) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}

/// Items a second through one empty stage of each kind, source and sink included.
pub(super) async fn measure(options: &StagesOptions) -> anyhow::Result<Vec<Alone>> {
    let items = options.items;
    let through = |kind: Kind, workers: NonZeroUsize| {
        rate(move |flow| {
            let mut left = items;
            let feed = Feed::new(move || {
                left = left.checked_sub(1)?;
                Some(left)
            });
            let (sink, taken) = Sink::new(|_: &u64| 1);
            let (to_stage, inlet) = flow.edge("stage", QUEUE);
            let (to_sink, arrivals) = flow.edge("sink", QUEUE);
            flow.stage(
                sink,
                NonZeroUsize::MIN,
                arrivals,
                cue_flow::Flow::last_outlet(),
            );
            match kind {
                Kind::One => flow.stage(Pass, workers, inlet, to_sink),
                Kind::Batch => flow.batch_stage(Batches, workers, inlet, to_sink),
                Kind::Cpu => flow.cpu_stage(Threads, workers, inlet, to_sink),
            }
            flow.source(feed, to_stage);
            taken
        })
    };
    let mut rows = Vec::new();
    for (what, kind) in [
        ("empty stage", Kind::One),
        ("empty stage with batches of up to 32", Kind::Batch),
        ("empty stage on threads", Kind::Cpu),
    ] {
        rows.extend(each(options, (what, "items"), |workers| through(kind, workers)).await?);
    }
    Ok(rows)
}

#[derive(Clone, Copy)]
enum Kind {
    One,
    Batch,
    Cpu,
}
