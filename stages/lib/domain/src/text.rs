//! Text for people: amounts, times, lists, and names on one line.

use std::time::Duration;

/// Cores with as many decimals as there are.
pub(crate) fn cores(centicores: i64) -> String {
    if centicores % 100 == 0 {
        return (centicores / 100).to_string();
    }
    let text = format!("{:.2}", centicores as f64 / 100.0);
    text.trim_end_matches('0').to_owned()
}

/// KiB as GiB, with one decimal where it counts.
pub(crate) fn gib(kib: i64) -> String {
    let text = format!("{:.1}", kib as f64 / 1_048_576.0);
    format!("{} GiB", text.trim_end_matches(".0"))
}

/// A count with its noun, in the plural where it must be. A negative count is none.
pub(crate) fn many(count: impl TryInto<usize>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(0);
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

/// A time of at least one second, with its two largest units.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs().max(1);
    let parts = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds;
    let mut texts = Vec::new();
    for (unit, name) in parts {
        if left >= unit && texts.len() < 2 {
            texts.push(format!("{} {name}", left / unit));
            left %= unit;
        }
    }
    texts.join(" ")
}

/// The first `most` names, and the number of the others.
pub(crate) fn list<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let named: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let named = named.join(", ");
    match names.len().saturating_sub(most) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The text on one line, without a sign that a terminal obeys: names in the database hold any sign.
pub fn printable(text: &str) -> String {
    let blank = |sign: char| if sign.is_control() { ' ' } else { sign };
    text.chars().map(blank).collect()
}
