//! Keys of rows as arrays of texts, as statements take them.

use std::collections::BTreeSet;

/// Keys in the order of the rows.
pub(crate) fn texts<R>(rows: &[R], of: impl Fn(&R) -> &str) -> Vec<&str> {
    rows.iter().map(of).collect()
}

/// Keys in their own order, each once.
pub(crate) fn distinct<R>(rows: &[R], of: impl Fn(&R) -> &str) -> Vec<&str> {
    each_once(rows.iter().map(of))
}

/// Keys of two parts in their own order, each once, part by part.
pub(crate) fn distinct_pairs<R>(
    rows: &[R],
    of: impl Fn(&R) -> (&str, &str),
) -> (Vec<&str>, Vec<&str>) {
    each_once(rows.iter().map(of)).into_iter().unzip()
}

/// Keys in their own order, each once.
pub(crate) fn each_once<T: Ord>(keys: impl Iterator<Item = T>) -> Vec<T> {
    let keys: BTreeSet<T> = keys.collect();
    keys.into_iter().collect()
}
