//! The stage runtime: bounded edges, workers, verdicts, drain. It knows nothing of rendering.
//!
//! A stage is a value with a `handle`. The runtime does the rest, once, for all of them: the
//! queue, the workers, the spans, the numbers, the containment of panics, the end. Its invariants:
//!
//! 1. A worker takes a permit before it takes an item: nothing is taken that cannot be started.
//! 2. Edges are bounded and lead forward, so a full pipeline cannot deadlock on itself.
//! 3. Only sources and ticks are told to stop; every other stage ends because its inlet closed.
//! 4. An item that is dropped, whatever the reason, takes its guards with it.
//! 5. A stage that dies stops the program; it never starves it silently.

mod capacity;
mod control;
mod cpu;
mod crew;
mod drain;
mod edge;
mod flow;
mod labelled;
mod meters;
mod park;
mod pass;
mod quantile;
mod registered;
mod source;
mod stage;
mod tick;
mod trace;
mod verdict;
mod workers;

#[cfg(test)]
mod tests;

pub use capacity::{Capacity, Reserved};
pub use control::{Control, Items, Kind, NoSuchStage, StageStatus};
pub use drain::{DrainReport, Ended};
pub use edge::{Closed, Inlet, Outlet};
pub use flow::Flow;
pub use labelled::Labelled;
pub use meters::Meters;
pub use registered::registered;
pub use source::Source;
pub use stage::{BatchStage, CpuStage, Never, Stage};
pub use tick::Tick;
pub use trace::micros;
pub use verdict::{BoxError, Chain, Panicked, StageGone, Verdict};

/// Tells sources and ticks to stop. Nobody else sees it.
pub type StopToken = tokio_util::sync::CancellationToken;
