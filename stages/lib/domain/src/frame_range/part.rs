//! One part of a frame range, the text between two commas: read, sized, and only then expanded.
//!
//! Its numbers have 32 bits, so none of the arithmetic on them can overflow.

use std::collections::HashSet;

use super::error::RangeError;

/// One part of the comma list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    from: i64,
    to: i64,
    step: i64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `x`, or nothing: each frame the step hits.
    Step,
    /// `y`: each frame the step misses.
    Skipped,
    /// `:`: those the step hits, then those that half of it hits, and so on.
    Interleaved,
}

impl Part {
    pub(super) fn parse(text: &str) -> Result<Self, RangeError> {
        let part = || text.to_owned();
        let (from, to, tail) = ends(text)?;
        let mut letters = tail.chars();
        let kind = match letters.next() {
            None => {
                let step = if to < from { -1 } else { 1 };
                return Ok(Self {
                    from,
                    to,
                    step,
                    kind: Kind::Step,
                });
            }
            Some('x') => Kind::Step,
            Some('y') => Kind::Skipped,
            Some(':') => Kind::Interleaved,
            Some(_) => return Err(RangeError::Syntax { part: part() }),
        };
        let step = match leading_number(letters.as_str()) {
            Some((step, "")) => narrow(step, text)?,
            _ => return Err(RangeError::Syntax { part: part() }),
        };
        // A step of 1 may point away from the end: then there are no frames.
        let leads = match step {
            1 => true,
            2.. => from <= to,
            _ => step < 0 && to < from,
        };
        if leads {
            Ok(Self {
                from,
                to,
                step,
                kind,
            })
        } else {
            Err(RangeError::Step { part: part() })
        }
    }

    /// Upper bound of the part's frames, and of the work to expand it.
    pub(super) fn work(&self) -> i64 {
        let span = (self.to - self.from).abs();
        match self.kind {
            Kind::Step => span / self.step.abs() + 1,
            Kind::Skipped | Kind::Interleaved => span + 1,
        }
    }

    pub(super) fn expand(&self, frames: &mut Vec<i64>) {
        match self.kind {
            Kind::Step => frames.extend(self.hits(self.step)),
            Kind::Skipped => {
                let (from, step) = (self.from, self.step);
                frames.extend(self.hits(step.signum()).filter(|n| (n - from) % step != 0));
            }
            Kind::Interleaved => {
                let mut seen = HashSet::new();
                let mut step = self.step;
                while step != 0 {
                    frames.extend(self.hits(step).filter(|&n| seen.insert(n)));
                    step /= 2;
                }
            }
        }
    }

    fn hits(&self, step: i64) -> impl Iterator<Item = i64> + use<> {
        let (from, to) = (self.from, self.to);
        let within = move |n: &i64| if step < 0 { *n >= to } else { *n <= to };
        std::iter::successors(Some(from), move |n| Some(n + step)).take_while(within)
    }
}

/// The first and the last frame of a part, and the text that follows them.
fn ends(text: &str) -> Result<(i64, i64, &str), RangeError> {
    let syntax = || RangeError::Syntax {
        part: text.to_owned(),
    };
    let (from, tail) = leading_number(text).ok_or_else(syntax)?;
    let from = narrow(from, text)?;
    if tail.is_empty() {
        return Ok((from, from, tail));
    }
    let (to, tail) = tail
        .strip_prefix('-')
        .and_then(leading_number)
        .ok_or_else(syntax)?;
    Ok((from, narrow(to, text)?, tail))
}

fn narrow(number: &str, part: &str) -> Result<i64, RangeError> {
    let narrow = number.parse::<i32>().map_err(|_| RangeError::Number {
        part: part.to_owned(),
    })?;
    Ok(i64::from(narrow))
}

/// Splits off a number: an optional minus and digits.
pub(super) fn leading_number(text: &str) -> Option<(&str, &str)> {
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
