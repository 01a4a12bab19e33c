//! Settings of turns: the work that they read, their sizes, and the rest between them.
//!
//! Invariant: these settings bound what a turn and a batch can hold; none of them is without limit.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::rules::{count, duration, list, number, optional, text};
use super::topic::topic;

/// Rounds without jobs after which the program may end.
const MOST_ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999_999);

topic! {
    /// Turns of the shows.
    Feed in "feed" {
        /// The only facility to book for; without it, all of them.
        facility: Option<String> = None, "CUE_FACILITY", optional(text());
        /// Tags for which nothing is booked.
        ignore_tags: Vec<String> = Some(""), "CUE_IGNORE_TAGS", list();
        /// Backoff of a show after a turn that found nothing which its caps admit.
        empty_backoff: Duration = Some("3s"), "CUE_EMPTY_BACKOFF",
            duration(Duration::from_millis(1)..=Duration::from_secs(600));
        /// Backoff of a show after a turn that found work and booked nothing. It ends when hosts gain something or its work changes.
        saturated_backoff: Duration = Some("250ms"), "CUE_SATURATED_BACKOFF",
            duration(Duration::from_millis(1)..=Duration::from_secs(600));
        /// Turns and readings in a row without jobs after which the program ends by itself.
        exit_when_idle: Option<NonZeroU32> = Some("0"), "CUE_EXIT_WHEN_IDLE",
            number(NonZeroU32::MIN..=MOST_ROUNDS).or_none("0", "`0` for never");
    }
}

topic! {
    /// Size of a turn.
    Fetch in "fetch" {
        /// Layers that a turn takes, at most, over all its jobs.
        layers_per_turn: NonZeroUsize = Some("1000"), "CUE_LAYERS_PER_TURN", count(10_000);
        /// Frames that a turn takes, at most; a new job of higher priority waits for one turn.
        frames_per_turn: NonZeroUsize = Some("4000"), "CUE_FRAMES_PER_TURN", count(1_000_000);
    }
}

topic! {
    /// Size of a transaction that locks and books.
    Lock in "lock" {
        /// Layers that one transaction locks at most.
        batch_layers: NonZeroUsize = Some("64"), "CUE_BATCH_LAYERS", count(1000);
        /// Frames that one transaction locks at most.
        batch_frames: NonZeroUsize = Some("400"), "CUE_BATCH_FRAMES", count(10_000);
    }
}
