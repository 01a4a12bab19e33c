//! Lists of names in findings, cut to the length of a line.

/// Names that a finding lists at most.
pub(super) const NAMES: usize = 5;

/// The first names, and the number of the others.
pub(super) fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let all = names.len();
    listed(names.take(NAMES), ", ", all)
}

/// Names of which there are `all`, and the number of those that are not given.
pub(super) fn listed<S: AsRef<str>>(
    names: impl Iterator<Item = S>,
    separator: &str,
    all: usize,
) -> String {
    let names: Vec<S> = names.collect();
    let more = all.saturating_sub(names.len());
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let text = names.join(separator);
    match more {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
