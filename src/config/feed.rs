//! Whose turn it is, how much a turn takes, and how much of it is locked at once.
//!
//! Invariant: these settings bound what a turn and a batch can hold; none of them is without limit.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::rules::{count, duration, flag, list, number_or_never, optional, text};
use super::topic::topic;

topic! {
    /// Whose turn it is.
    Feed in "feed" {
        /// The only facility to book for; without it, all of them.
        facility: Option<String> = None, "CUE_FACILITY", optional(text());
        /// Tags for which nothing is booked.
        ignore_tags: Vec<String> = Some(""), "CUE_IGNORE_TAGS", list();
        /// How often the set of clusters is read again if nothing shows that it has changed. A change is seen within a second without this.
        cluster_reload: Duration = Some("30s"), "CUE_CLUSTER_RELOAD",
            duration(Duration::from_millis(100)..=Duration::from_secs(3600));
        /// How often the farm is scanned for work; more seldom when that takes long, so that at most a tenth of the time goes into it.
        scan: Duration = Some("250ms"), "CUE_ACTIVE_SCAN",
            duration(Duration::from_millis(10)..=Duration::from_secs(60));
        /// Whether, of clusters whose turns are due at the same moment, the one that booked last goes first.
        productivity_bias: bool = Some("true"), "CUE_PRODUCTIVITY_BIAS", flag();
        /// How long a cluster rests after a turn that found no job.
        empty_backoff: Duration = Some("3s"), "CUE_EMPTY_BACKOFF",
            duration(Duration::from_millis(1)..=Duration::from_secs(600));
        /// How long a cluster rests after a turn that found jobs and booked nothing.
        saturated_backoff: Duration = Some("250ms"), "CUE_SATURATED_BACKOFF",
            duration(Duration::from_millis(1)..=Duration::from_secs(600));
        /// How many manual tags of a show make one cluster.
        manual_tags_chunk: NonZeroUsize = Some("50"), "CUE_MANUAL_TAGS_CHUNK", count(1000);
        /// How many host-name tags of a show make one cluster.
        hostname_tags_chunk: NonZeroUsize = Some("50"), "CUE_HOSTNAME_TAGS_CHUNK", count(1000);
        /// After how many turns and scans in a row without jobs the program ends by itself.
        exit_when_idle: Option<NonZeroU32> = Some("0"), "CUE_EXIT_WHEN_IDLE",
            number_or_never(1_000_000);
    }
}

topic! {
    /// How much one turn takes.
    Fetch in "fetch" {
        /// How many jobs a turn takes at most.
        jobs_per_turn: NonZeroUsize = Some("100"), "CUE_JOBS_PER_TURN", count(1000);
        /// How many layers a turn takes at most, over all its jobs.
        layers_per_turn: NonZeroUsize = Some("400"), "CUE_LAYERS_PER_TURN", count(10_000);
        /// How many waiting frames a turn takes on; a new job of higher priority waits for one turn.
        frames_per_turn: NonZeroUsize = Some("4000"), "CUE_FRAMES_PER_TURN", count(1_000_000);
    }
}

topic! {
    /// How much is locked and booked in one transaction.
    Lock in "lock" {
        /// How many layers one transaction locks at most.
        batch_layers: NonZeroUsize = Some("64"), "CUE_BATCH_LAYERS", count(1000);
        /// How many frames one transaction locks at most.
        batch_frames: NonZeroUsize = Some("400"), "CUE_BATCH_FRAMES", count(10_000);
        /// How many frames of one layer a transaction locks at most, unless so few layers are at hand
        /// that it would not be full.
        frames_per_layer: NonZeroUsize = Some("100"), "CUE_FRAMES_PER_LAYER", count(10_000);
    }
}
