//! Frame ranges: which frames a layer has, and which of them one launch renders.
//!
//! The syntax and the spelling of a chunk are OpenCue's (contract, 10.5 and 10.6). Where its two
//! implementations disagree about blanks and about trailing commas, both spellings are accepted:
//! a range that was accepted when the job was submitted must not stop its launches.
//!
//! Invariant: a range that was parsed has at most [`MAX_FRAMES`] frames, each a 32-bit number;
//! one that would have more is refused before anything is allocated for it. The specification
//! of a chunk reads back as exactly the frames of the chunk.

use std::str::FromStr;

mod part;

use part::Part;

/// The most frames a range may have.
pub const MAX_FRAMES: i64 = 1_000_000;

/// The frames of a layer in the order of its range; a frame can occur more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRange {
    frames: Vec<i64>,
}

/// The frames that one launch renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The frame it was asked for.
    pub first: i64,
    /// The last frame, in the order of the range.
    pub last: i64,
    /// All of them, as a range.
    pub spec: String,
}

/// Why a range or a chunk of it cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// There is nothing in the text.
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
        /// How many frames there would be up to the part that is too much.
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

impl FrameRange {
    /// The frames, in order.
    #[must_use]
    pub fn frames(&self) -> &[i64] {
        &self.frames
    }

    /// The chunk that begins at the first occurrence of `frame`: the next `size` frames in the
    /// order of the range, fewer at its end.
    pub fn chunk(&self, frame: i64, size: i64) -> Result<Chunk, RangeError> {
        if size < 1 {
            return Err(RangeError::ChunkSize { size });
        }
        let from = self.frames.iter().position(|&n| n == frame);
        let rest = &self.frames[from.ok_or(RangeError::NotInRange { frame })?..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let frames = &rest[..size.min(rest.len())];
        Ok(Chunk {
            first: frame,
            last: frames.last().copied().unwrap_or(frame),
            spec: spec(frames),
        })
    }
}

impl FromStr for FrameRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let text = text.trim().trim_end_matches([',', ' ']);
        if text.is_empty() {
            return Err(RangeError::Empty);
        }
        let parts = text
            .split(',')
            .map(|part| Part::parse(part.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut most = 0_i64;
        for part in &parts {
            // A part has no more frames than 32-bit numbers, so this cannot overflow in time.
            most = most.saturating_add(part.work());
            if most > MAX_FRAMES {
                return Err(RangeError::TooLong { frames: most });
            }
        }
        let mut frames = Vec::new();
        for part in &parts {
            part.expand(&mut frames);
        }
        Ok(Self { frames })
    }
}

/// The number in the name of a frame (`0012-comp` is 12): the digits before a `-`, with the sign
/// before them if there is one. `None` when the name does not begin like that.
#[must_use]
pub fn frame_number(name: &str) -> Option<i64> {
    let (number, rest) = leading_number(name)?;
    if rest.starts_with('-') {
        number.parse().ok()
    } else {
        None
    }
}

/// Spells frames as a range: runs of three or more frames of equal step, or of two of step 1, as
/// one part. From the first pair of frames on that does not grow to a run, every frame stands
/// alone. OpenCue spells it so, and a frame's command should be the same whoever launches it.
#[must_use]
pub fn spec(frames: &[i64]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = frames;
    while let [first, tail @ ..] = rest {
        let run = run_length(rest);
        let last = rest[run - 1];
        match tail.first().map(|second| second - first) {
            Some(1) => parts.push(format!("{first}-{last}")),
            Some(step) if run > 2 => parts.push(format!("{first}-{last}x{step}")),
            // A frame that is repeated has no step at all; what follows can still be a run.
            Some(0) | None => {
                parts.push(first.to_string());
                rest = tail;
                continue;
            }
            Some(_) => {
                parts.extend(rest.iter().map(i64::to_string));
                break;
            }
        }
        rest = &rest[run..];
    }
    parts.join(",")
}

/// How many frames from the first on have equal steps; a step of 0 makes no run.
fn run_length(frames: &[i64]) -> usize {
    let [first, second, ..] = frames else {
        return frames.len();
    };
    let step = second - first;
    if step == 0 {
        return 1;
    }
    1 + frames
        .windows(2)
        .take_while(|pair| pair[1] - pair[0] == step)
        .count()
}

/// Splits off a number: an optional minus and digits.
fn leading_number(text: &str) -> Option<(&str, &str)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = unsigned.len()
        - unsigned
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .len();
    if digits == 0 {
        return None;
    }
    text.split_at_checked(text.len() - unsigned.len() + digits)
}

#[cfg(test)]
mod tests;
