//! Values that are allowed: for each kind of setting, the reading of its text and the rule in words.
//!
//! Invariant: `allowed` says exactly what `parse` accepts, in words that finish the sentence
//! "give ...".

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use cue_domain::Kib;

use super::file::Written;

/// Spelling of a value in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A quoted text.
    Text,
    /// A list of quoted texts; in a variable or a flag they are separated by commas.
    List,
}

/// The values of a setting that are allowed.
pub(super) struct Rule<T> {
    /// The values in words.
    pub(super) allowed: String,
    pub(super) form: Form,
    /// A value must be given when there is no default.
    pub(super) required: bool,
    /// Stand-in for a value that is missing. For a required setting it only lets the other checks go on, for its
    /// fault has been recorded.
    pub(super) absent: Option<T>,
    /// The value must not be seen: its variables can name a file that holds it.
    pub(super) secret: bool,
    /// The text as it may be shown.
    pub(super) mask: fn(&str) -> String,
    pub(super) parse: Parse<T>,
}

/// Reads a trimmed text; none if the rule does not allow it.
type Parse<T> = Box<dyn Fn(&str) -> Option<T>>;

impl<T: 'static> Rule<T> {
    pub(super) fn new(
        form: Form,
        allowed: impl Into<String>,
        parse: impl Fn(&str) -> Option<T> + 'static,
    ) -> Self {
        Self {
            allowed: allowed.into(),
            form,
            required: true,
            absent: None,
            secret: false,
            mask: str::to_owned,
            parse: Box::new(parse),
        }
    }

    /// The same rule for values that are changed after they were read.
    fn map<U>(self, change: impl Fn(T) -> U + 'static) -> Rule<U> {
        let parse = self.parse;
        Rule {
            allowed: self.allowed,
            form: self.form,
            required: self.required,
            absent: None,
            secret: self.secret,
            mask: self.mask,
            parse: Box::new(move |text| parse(text).map(&change)),
        }
    }

    /// The same rule for a secret, which is shown as `mask` makes it.
    pub(super) fn secret(self, mask: fn(&str) -> String) -> Self {
        Self {
            secret: true,
            mask,
            ..self
        }
    }

    /// The same rule, where the text `word` stands for none.
    pub(super) fn or_none(self, word: &'static str, means: &str) -> Rule<Option<T>> {
        let mut rule = self.map(Some);
        let inner = rule.parse;
        rule.allowed = format!("{}, or {means}", rule.allowed);
        rule.parse = Box::new(move |text| {
            if text == word {
                Some(None)
            } else {
                inner(text)
            }
        });
        rule
    }
}

impl<T> Rule<T> {
    /// The value of a text, if it is allowed.
    pub(super) fn value(&self, written: &Written) -> Option<T> {
        let has_form = !written.list || self.form == Form::List;
        has_form
            .then(|| (self.parse)(written.text.trim()))
            .flatten()
    }
}

/// Values in a range.
fn within<T: PartialOrd + 'static>(
    form: Form,
    allowed: String,
    range: RangeInclusive<T>,
    parse: fn(&str) -> Option<T>,
) -> Rule<T> {
    let parse = move |text: &str| parse(text).filter(|value| range.contains(value));
    Rule::new(form, allowed, parse)
}

/// A whole number in a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> Rule<T>
where
    T: FromStr + PartialOrd + Display + 'static,
{
    let allowed = format!("a whole number from {} to {}", range.start(), range.end());
    within(Form::Number, allowed, range, |text| text.parse().ok())
}

/// A whole number from 1 on.
pub(super) fn count(most: usize) -> Rule<NonZeroUsize> {
    let one = NonZeroUsize::MIN;
    number(one..=one.saturating_add(most.saturating_sub(1)))
}

/// A number with or without a fraction.
pub(super) fn decimal(range: RangeInclusive<f64>) -> Rule<f64> {
    let allowed = format!("a number from {} to {}", range.start(), range.end());
    within(Form::Number, allowed, range, |text| text.parse().ok())
}

/// Yes or no.
pub(super) fn flag() -> Rule<bool> {
    Rule::new(Form::Flag, "`true` or `false`", |text| {
        text.to_ascii_lowercase().parse().ok()
    })
}

/// A time with a unit.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Rule<Duration> {
    let allowed = format!(
        "a time from {} to {} with its unit, such as `250ms`, `30s` or `5m`",
        humantime::format_duration(*range.start()),
        humantime::format_duration(*range.end())
    );
    let parse = |text: &str| humantime::parse_duration(text).ok();
    within(Form::Text, allowed, range, parse)
}

/// A time with a unit, or `0` for never.
pub(super) fn duration_or_never(range: RangeInclusive<Duration>) -> Rule<Option<Duration>> {
    duration(range).or_none("0", "`0` for never")
}

/// A time in milliseconds, without a unit.
pub(super) fn milliseconds(range: RangeInclusive<u64>) -> Rule<Duration> {
    number(range).map(Duration::from_millis)
}

/// An amount of memory with a unit.
pub(super) fn size(range: RangeInclusive<Kib>) -> Rule<Kib> {
    let allowed = format!(
        "a size from {} to {} in KiB, MiB or GiB, such as `256MiB`",
        size_text(*range.start()),
        size_text(*range.end())
    );
    within(Form::Text, allowed, range, parse_size)
}

/// Any text but an empty one.
pub(super) fn text() -> Rule<String> {
    Rule::new(Form::Text, "a text", |text| {
        (!text.is_empty()).then(|| text.to_owned())
    })
}

/// Texts separated by commas; blanks around each are trimmed and empty ones are left out.
pub(super) fn list() -> Rule<Vec<String>> {
    Rule::new(Form::List, "texts separated by commas", |text| {
        Some(elements(text).map(str::to_owned).collect())
    })
}

/// Whole numbers in a range, separated by commas; blanks around each are trimmed and empty ones are left out.
pub(super) fn numbers(range: RangeInclusive<i32>) -> Rule<Vec<i32>> {
    let (from, to) = (range.start(), range.end());
    let allowed = format!("whole numbers from {from} to {to} separated by commas");
    let each = number(range).parse;
    Rule::new(Form::List, allowed, move |text| {
        elements(text).map(&each).collect()
    })
}

/// One of a few words.
pub(super) fn choice<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Rule<T> {
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let allowed = match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    };
    Rule::new(Form::Text, allowed, move |text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value)
    })
}

/// The same, but the setting may be left out: an empty text is the same as none.
pub(super) fn optional<T: 'static>(rule: Rule<T>) -> Rule<Option<T>> {
    Rule {
        required: false,
        absent: Some(None),
        ..rule.or_none("", "nothing")
    }
}

/// The elements of a list.
pub(super) fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

const UNITS: [(&str, i64); 3] = [("KiB", 1), ("MiB", 1024), ("GiB", 1024 * 1024)];

fn parse_size(text: &str) -> Option<Kib> {
    UNITS.iter().find_map(|(unit, kib)| {
        let number: u32 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        i64::from(number).checked_mul(*kib).map(Kib)
    })
}

/// A size in the greatest unit of which it is a whole number.
fn size_text(size: Kib) -> String {
    let fits = |(_, kib): &&(&str, i64)| size.0 >= *kib && size.0 % kib == 0;
    let (unit, kib) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
    format!("{}{unit}", size.0 / kib)
}

#[cfg(test)]
mod tests;
