//! Settings of the policy: which work runs next, and on which hosts.
//!
//! Invariant: none of these settings can exceed a cap. They order the attempts; the booking transaction decides.

use std::time::Duration;

use cue_domain::order::Order;

use super::rules::{choice, decimal, duration_or_never, flag};
use super::topic::topic;

topic! {
    /// Order of the waiting work.
    Policy in "policy" {
        /// Order of jobs inside a show: by cores in use and weight, by priority alone, or by age alone.
        order: Order = Some("share"), "CUE_ORDER",
            choice(&[("share", Order::Share), ("priority", Order::Priority), ("fifo", Order::Fifo)]);
        /// With `share`: the weight of a job is its priority to the power of this.
        priority_exponent: f64 = Some("1.5"), "CUE_PRIORITY_EXPONENT", decimal(0.0..=4.0);
        /// With `share`: the weight of a job that waits without a core doubles every time this has passed.
        aging: Option<Duration> = Some("10m"), "CUE_AGING",
            duration_or_never(Duration::from_secs(1)..=Duration::from_secs(86_400));
        /// Give threadable layers the cores that their memory strands, and run 8 frames at most while it is unknown.
        cores_follow_memory: bool = Some("true"), "CUE_CORES_FOLLOW_MEMORY", flag();
        /// Time that a layer waits without a start, because no host has enough idle, until hosts are reserved for it.
        reserve_after: Option<Duration> = Some("60s"), "CUE_RESERVE_AFTER",
            duration_or_never(Duration::from_secs(1)..=Duration::from_secs(86_400));
    }
}
