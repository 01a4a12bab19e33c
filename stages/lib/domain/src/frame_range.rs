//! Frame ranges: the frames of a layer, and the chunk of them that one launch renders.
//!
//! The syntax and the spelling of a chunk are OpenCue's (OPENCUE.md, Frame ranges). Where its two
//! implementations disagree about blanks and about trailing commas, both spellings are accepted:
//! a range that was accepted when the job was submitted must not stop its launches.
//!
//! Invariant: a range that was parsed has at most [`MAX_FRAMES`] frames, each a 32-bit number;
//! one that would have more is refused before anything is allocated for it. The specification
//! of a chunk reads back as exactly the frames of the chunk.

use std::str::FromStr;

mod error;
mod part;

pub use error::{MAX_FRAMES, RangeError};
use part::{Part, leading_number};

/// The frames of a layer in the order of its range; a frame can occur more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRange {
    frames: Vec<i64>,
}

/// The frames that one launch renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The frame that the chunk begins with.
    pub first: i64,
    /// The last frame, in the order of the range.
    pub last: i64,
    /// All frames, as a range.
    pub spec: String,
}

impl FrameRange {
    /// The frames, in order.
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
        let tail = &self.frames[from.ok_or(RangeError::NotInRange { frame })?..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let frames = &tail[..size.min(tail.len())];
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
pub fn frame_number(name: &str) -> Option<i64> {
    let (number, tail) = leading_number(name)?;
    if tail.starts_with('-') {
        number.parse().ok()
    } else {
        None
    }
}

/// Spells frames as a range: runs of three or more frames of equal step, or of two of step 1, as
/// one part. From the first pair of frames on that does not grow to a run, every frame stands
/// alone. OpenCue spells ranges like this, and a frame's command should not depend on the program that launches it.
pub fn spec(frames: &[i64]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut left = frames;
    while let [first, tail @ ..] = left {
        let run = run_length(left);
        let last = left[run - 1];
        match tail.first().map(|second| second - first) {
            Some(1) => parts.push(format!("{first}-{last}")),
            Some(step) if run > 2 => parts.push(format!("{first}-{last}x{step}")),
            // A frame that is repeated has no step at all; what follows can still be a run.
            Some(0) | None => {
                parts.push(first.to_string());
                left = tail;
                continue;
            }
            Some(_) => {
                parts.extend(left.iter().map(i64::to_string));
                break;
            }
        }
        left = &left[run..];
    }
    parts.join(",")
}

/// Number of frames from the first on that have equal steps; a step of 0 makes no run.
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

#[cfg(test)]
mod tests;
