//! Lists of names in findings, cut to what a line can hold.

/// Names that a finding lists at most.
pub(super) const NAMES: usize = 5;

/// The first names, and the number of the others.
pub(super) fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES);
    let mut text = names.take(NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
