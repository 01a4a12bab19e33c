//! Columns of rows as arrays, as statements take them.

use std::collections::BTreeSet;

/// One value of each row, in the order of the rows.
pub(crate) fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Keys in their own order, each once.
pub(crate) fn distinct<'a, R, T: Ord>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    each_once(rows.iter().map(of))
}

/// Keys of two parts in their own order, each once, part by part.
pub(crate) fn distinct_pairs<'a, R>(
    rows: &'a [R],
    of: impl Fn(&'a R) -> (&'a str, &'a str),
) -> (Vec<&'a str>, Vec<&'a str>) {
    distinct(rows, of).into_iter().unzip()
}

/// Keys in their own order, each once.
pub(crate) fn each_once<T: Ord>(keys: impl Iterator<Item = T>) -> Vec<T> {
    let keys: BTreeSet<T> = keys.collect();
    keys.into_iter().collect()
}
