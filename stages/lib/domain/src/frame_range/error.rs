//! Errors of frame ranges.

/// Most frames of a range.
pub const MAX_FRAMES: i64 = 1_000_000;

/// An invalid range, or a chunk that a range does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The text is empty.
    #[error("the frame range is empty: write at least one frame")]
    Empty,
    /// A part has none of the known forms.
    #[error("{part:?} is no frame range: write N, A-B, A-BxS, A-ByS or A-B:S")]
    Syntax {
        /// The part.
        part: String,
    },
    /// A number has more than 32 bits.
    #[error("a number in {part:?} does not fit in 32 bits")]
    Number {
        /// The part.
        part: String,
    },
    /// A step leads nowhere or away from the end of its part.
    #[error("the step of {part:?} must lead from its first to its last frame and not be 0")]
    Step {
        /// The part.
        part: String,
    },
    /// There are too many frames.
    #[error("the frame range has {frames} frames, more than {MAX_FRAMES}: split the layer")]
    TooLong {
        /// Number of frames up to the part that exceeds the bound.
        frames: i64,
    },
    /// The frame is not in the range.
    #[error("frame {frame} is not in the layer's range")]
    NotInRange {
        /// The frame.
        frame: i64,
    },
    /// A chunk must have frames.
    #[error("a chunk of {size} frames cannot be launched: set the layer's chunk size to 1 or more")]
    ChunkSize {
        /// The size.
        size: i64,
    },
}
