//! The stage runtime: bounded edges, workers, verdicts, drain. It knows nothing of rendering.
//!
//! A stage is a value with a `handle`. The runtime owns the rest: the queues, the workers, the spans, the metrics, the
//! containment of panics, the end. Its invariants:
//!
//! 1. A worker takes a permit before it takes an item: nothing is taken that cannot be started.
//! 2. Edges are bounded and lead forward, so a full pipeline cannot deadlock on itself.
//! 3. Only sources and ticks receive the stop; every other stage ends because its inlet closed.
//! 4. An item that is dropped, for any reason, drops its guards too.
//! 5. A stage that dies stops the program; it never starves it silently.

mod blocking;
mod capacity;
mod clock;
mod context;
mod control;
mod drain;
mod edge;
mod flow;
mod labelled;
mod line;
mod meters;
mod metrics;
mod pace;
mod pass;
mod pass_span;
mod quantile;
mod send_meter;
mod shutdown;
mod source;
mod stage;
mod tick;
mod trace;
mod verdict;
mod worker_pool;
mod workers;

#[cfg(test)]
mod tests;

pub use capacity::{Capacity, Reserved};
pub use clock::now_us;
pub use context::Kind;
pub use control::{Control, Items, NoSuchStage, StageStatus};
pub use drain::{DrainReport, Ended};
pub use edge::{Closed, Outlet, Slot};
pub use flow::Flow;
pub use labelled::Labelled;
pub use line::{Line, Width};
pub use meters::Meters;
pub use metrics::Family;
pub use pace::Pace;
pub use source::{Source, StopToken};
pub use stage::{CpuStage, Stage};
pub use tick::Tick;
pub use trace::{micros, number, record_count};
pub use verdict::{BoxError, Chain, StageGone, Verdict};
