//! Numbers and times as people read them, for the page's sentence and the terminal.
//!
//! Invariant: the same number is written in the same way wherever it is shown.

use std::time::Duration;

/// A whole number with a comma every three digits.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with a comma every three digits.
pub(crate) fn count(number: u64) -> String {
    thousands(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Whole cores of an amount in centicores.
pub(crate) fn cores(centicores: i64) -> String {
    thousands(centicores / 100)
}

/// An amount of memory in KiB, in the unit that suits it.
pub(crate) fn memory(kib: i64) -> String {
    const UNITS: [&str; 3] = ["MiB", "GiB", "TiB"];
    let mut amount = kib as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if amount.abs() < 1023.95 {
            break;
        }
        (amount, unit) = (amount / 1024.0, larger);
    }
    if amount.abs() < 9.95 {
        format!("{amount:.1} {unit}")
    } else {
        format!("{amount:.0} {unit}")
    }
}

/// A rate: with one decimal while it is small.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 99.95 {
        // The sum of no rates is a zero below zero, which must not show.
        format!("{:.1}", per_second + 0.0)
    } else {
        thousands(per_second.round() as i64)
    }
}

/// A time in milliseconds, with the unit that suits it.
pub(crate) fn time(ms: f64) -> String {
    if ms < 0.995 {
        format!("{:.0} µs", ms * 1000.0)
    } else if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// An age, in the greatest unit of which it is at least two.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        secs @ 0..120 => format!("{secs} s"),
        secs @ 120..7200 => format!("{} min", secs / 60),
        secs @ 7200..172_800 => format!("{} h", secs / 3600),
        secs => format!("{} d", secs / 86_400),
    }
}

/// The same of a time in milliseconds.
pub(crate) fn age_of(ms: u64) -> String {
    age(Duration::from_millis(ms))
}

/// Procs that no host report names.
pub(crate) fn unreported(procs: usize) -> String {
    let noun = if procs == 1 { "proc" } else { "procs" };
    let seconds = cue_store::UNREPORTED_AFTER.as_secs();
    format!(
        "{} {noun} in no report for {seconds} s",
        count(procs as u64)
    )
}

/// The end of such procs (OPENCUE.md, Release).
pub(crate) const UNREPORTED_END: &str =
    "Cuebot clears them 300 s to 20 min after their last report";

/// A label in words: the cap that refused, or the outcome of a launch.
pub(crate) fn label(name: &str) -> String {
    let words = match name {
        "host_taken" => "host held by another transaction",
        "host" => "host too full by now",
        "reservation" => "no reservation",
        "no_subscription" => "no subscription",
        "subscription" => "subscription burst",
        "job_cores" => "job cores",
        "job_gpus" => "job GPUs",
        "folder_cores" => "folder cores",
        "folder_gpus" => "folder GPUs",
        "database" => "rule of the database",
        _ => return name.replace('_', " "),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_said_in_words() {
        let labels = ["folder_gpus", "job_gone", "limit", "refused_for_now"].map(label);
        assert_eq!(
            labels,
            ["folder GPUs", "job gone", "limit", "refused for now"]
        );
    }

    #[test]
    fn an_age_is_said_in_one_unit() {
        let ages = [0, 119, 120, 7199, 7200, 172_799, 172_800];
        let said = ages.map(|secs| age(Duration::from_secs(secs)));
        let wanted = ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"];
        assert_eq!(said, wanted);
    }

    #[test]
    fn memory_is_said_in_the_unit_that_suits_it() {
        let amounts = [0, 512, 524_288, 1_048_576, 67_108_864, 1_610_612_736].map(memory);
        let wanted = [
            "0.0 MiB", "0.5 MiB", "512 MiB", "1.0 GiB", "64 GiB", "1.5 TiB",
        ];
        assert_eq!(amounts, wanted);
    }

    #[test]
    fn numbers_are_grouped_and_times_have_their_unit() {
        let numbers = [0, 7, 999, 1000, 1_234_567, -12_345].map(thousands);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "1,234,567", "-12,345"]);
        assert_eq!(thousands(i64::MIN), "-9,223,372,036,854,775,808");
        let times = [0.05, 0.999, 9.94, 9.96, 999.0, 1500.0].map(time);
        assert_eq!(
            times,
            ["50 µs", "1.0 ms", "9.9 ms", "10 ms", "999 ms", "1.5 s"]
        );
        assert_eq!(
            [-0.0, 0.04, 99.94, 99.96, 12_345.6].map(rate),
            ["0.0", "0.0", "99.9", "100", "12,346"]
        );
    }
}
