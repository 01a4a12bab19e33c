//! What a value may be: for each kind of setting, how its text is read and how the rule is told.
//!
//! Invariant: a rule tells in `allowed` exactly what its `parse` accepts, in words that finish the
//! sentence "give ...".

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use cue_domain::Kib;

/// How a value is written in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A quoted text.
    Text,
    /// A list of quoted texts; in a variable or a flag they are separated by commas.
    List,
}

/// What a value may be.
pub(super) struct Rule<T> {
    /// What is allowed, in words.
    pub(super) allowed: String,
    pub(super) form: Form,
    /// Whether a value must be given when there is no default.
    pub(super) required: bool,
    /// What stands in for a value that is not there or not allowed. For a required setting it only
    /// lets the other checks of its topic go on, for its fault has been noted.
    pub(super) absent: Option<T>,
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
            mask: str::to_owned,
            parse: Box::new(parse),
        }
    }

    fn map<U>(self, change: impl Fn(T) -> U + 'static) -> Rule<U> {
        let parse = self.parse;
        Rule {
            allowed: self.allowed,
            form: self.form,
            required: self.required,
            absent: None,
            mask: self.mask,
            parse: Box::new(move |text| parse(text).map(&change)),
        }
    }
}

/// A whole number in a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> Rule<T>
where
    T: FromStr + PartialOrd + Display + 'static,
{
    let allowed = format!("a whole number from {} to {}", range.start(), range.end());
    Rule::new(Form::Number, allowed, move |text| {
        text.parse().ok().filter(|number| range.contains(number))
    })
}

/// A whole number from 1 on.
pub(super) fn count(most: usize) -> Rule<NonZeroUsize> {
    let allowed = format!("a whole number from 1 to {most}");
    Rule::new(Form::Number, allowed, move |text| {
        text.parse()
            .ok()
            .filter(|number: &NonZeroUsize| number.get() <= most)
    })
}

/// Yes or no.
pub(super) fn flag() -> Rule<bool> {
    Rule::new(Form::Flag, "`true` or `false`", |text| {
        text.to_ascii_lowercase().parse().ok()
    })
}

/// What something counts: a number with or without a fraction.
pub(super) fn weight() -> Rule<f64> {
    let range = 0.0..=1e6;
    Rule::new(Form::Number, "a number from 0 to 1000000", move |text| {
        text.parse().ok().filter(|number| range.contains(number))
    })
}

/// A time with a unit.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Rule<Duration> {
    let (from, to) = range.clone().into_inner();
    let allowed = format!(
        "a time from {} to {} with its unit, such as `250ms`, `30s` or `5m`",
        humantime::format_duration(from),
        humantime::format_duration(to)
    );
    Rule::new(Form::Text, allowed, move |text| {
        humantime::parse_duration(text)
            .ok()
            .filter(|time| range.contains(time))
    })
}

/// A time in milliseconds, without a unit.
pub(super) fn milliseconds(range: RangeInclusive<u64>) -> Rule<Duration> {
    number(range).map(Duration::from_millis)
}

/// A time with a unit, or `0` for never.
pub(super) fn duration_or_never(range: RangeInclusive<Duration>) -> Rule<Option<Duration>> {
    let timed = duration(range);
    let allowed = format!("{}, or `0` for never", timed.allowed);
    Rule::new(Form::Text, allowed, move |text| {
        if text == "0" {
            return Some(None);
        }
        (timed.parse)(text).map(Some)
    })
}

/// An amount of memory with a unit.
pub(super) fn size(range: RangeInclusive<Kib>) -> Rule<Kib> {
    let (from, to) = range.clone().into_inner();
    let allowed = format!(
        "a size from {} to {} in KiB, MiB or GiB, such as `256MiB`",
        size_text(from),
        size_text(to)
    );
    Rule::new(Form::Text, allowed, move |text| {
        parse_size(text).filter(|size| range.contains(size))
    })
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
    Rule::new(Form::List, allowed, move |text| {
        elements(text)
            .map(|number| number.parse().ok().filter(|number| range.contains(number)))
            .collect()
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
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
    })
}

/// The same, but it may be left out: an empty text is the same as none.
pub(super) fn optional<T: 'static>(rule: Rule<T>) -> Rule<Option<T>> {
    let inner = rule.parse;
    Rule {
        allowed: format!("{}, or nothing", rule.allowed),
        form: rule.form,
        required: false,
        absent: Some(None),
        mask: rule.mask,
        parse: Box::new(move |text| {
            if text.is_empty() {
                return Some(None);
            }
            inner(text).map(Some)
        }),
    }
}

/// A whole number where 0 means never.
pub(super) fn number_or_never(most: u32) -> Rule<Option<std::num::NonZeroU32>> {
    let mut rule = number(0..=most).map(std::num::NonZeroU32::new);
    rule.allowed = format!("{}, where 0 is never", rule.allowed);
    rule
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

fn size_text(size: Kib) -> String {
    let unit = UNITS
        .iter()
        .rev()
        .find(|(_, kib)| size.0 >= *kib && size.0 % kib == 0);
    let (name, kib) = unit.unwrap_or(&UNITS[0]);
    format!("{}{name}", size.0 / kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit_and_keep_every_kib() {
        for (text, kib) in [("1KiB", 1), ("256MiB", 262_144), ("2 GiB", 2_097_152)] {
            assert_eq!(parse_size(text), Some(Kib(kib)), "{text}");
        }
        for bad in [
            "256",
            "256MB",
            "-1KiB",
            "1.5GiB",
            "",
            "KiB",
            "99999999999GiB",
        ] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert_eq!(size_text(Kib(262_144)), "256MiB");
        assert_eq!(size_text(Kib(0)), "0KiB");
    }

    #[test]
    fn never_is_a_zero_and_other_times_need_a_unit() {
        let rule = duration_or_never(Duration::from_secs(1)..=Duration::from_secs(60));
        assert_eq!((rule.parse)("0"), Some(None));
        assert_eq!((rule.parse)("30s"), Some(Some(Duration::from_secs(30))));
        for bad in ["30", "2m", "1ms", ""] {
            assert_eq!((rule.parse)(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_include_both_ends() {
        let rule = number(1_u16..=9);
        for (text, value) in [
            ("1", Some(1)),
            ("9", Some(9)),
            ("0", None),
            ("10", None),
            ("x", None),
        ] {
            assert_eq!((rule.parse)(text), value, "{text}");
        }
    }

    #[test]
    fn lists_are_trimmed_and_have_no_empty_elements() {
        assert_eq!(
            (list().parse)(" a, b ,,c"),
            Some(vec!["a".into(), "b".into(), "c".into()])
        );
        assert_eq!((list().parse)(""), Some(vec![]));
        let statuses = numbers(1..=400);
        assert_eq!((statuses.parse)(" 330, 75 "), Some(vec![330, 75]));
        assert_eq!((statuses.parse)(""), Some(vec![]));
        for bad in ["x", "0", "401", "330;75", "1 2"] {
            assert_eq!((statuses.parse)(bad), None, "{bad}");
        }
    }
}
