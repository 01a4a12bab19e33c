//! The reference of metrics, `config/METRICS.md`, as data.
//!
//! Invariant: what cannot be read as a row of a table of metrics ends the test; nothing is passed over.

use std::collections::{BTreeMap, BTreeSet};

/// Returns true if the values of a label come from the farm's data, where shows and facilities are few, or from the
/// build.
pub fn is_from_data(label: &str) -> bool {
    [
        "facility_id",
        "facility_name",
        "show_id",
        "show_name",
        "version",
    ]
    .contains(&label)
}

/// The text.
pub const TEXT: &str = include_str!("../../config/METRICS.md");

/// A metric in the reference.
#[derive(Debug)]
pub struct Documented {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its labels, each with the values it can have; empty for the one that comes from data.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// The metrics in the reference, by name.
pub fn metrics() -> BTreeMap<String, Documented> {
    let shared = shared_labels();
    let mut all = BTreeMap::new();
    for row in rows("| name | type | labels | meaning |") {
        let [name, kind, labels, meaning] = row.try_into().unwrap();
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let labels = labels.split(';').map(str::trim).filter(|l| !l.is_empty());
        let documented = Documented {
            kind,
            labels: labels.map(|label| read_label(label, &shared)).collect(),
        };
        let name = unquote(&name);
        let before = all.insert(name.clone(), documented);
        assert!(before.is_none(), "{name} is there twice");
    }
    all
}

fn shared_labels() -> BTreeMap<String, BTreeSet<String>> {
    rows("| label | values |")
        .into_iter()
        .flat_map(|row| {
            let [labels, values] = row.try_into().unwrap();
            let labels = quoted(&labels).into_iter();
            labels.map(move |label| (label, quoted(&values)))
        })
        .collect()
}

/// `` `label` `` whose values are in the shared table, or `` `label`: `value` `value` ``.
fn read_label(
    text: &str,
    shared: &BTreeMap<String, BTreeSet<String>>,
) -> (String, BTreeSet<String>) {
    match text.split_once(':') {
        Some((label, values)) => (unquote(label), quoted(values)),
        None => {
            let label = unquote(text);
            let values = shared.get(&label).cloned().unwrap_or_default();
            assert!(
                is_from_data(&label) || !values.is_empty(),
                "the values of {label} are not documented"
            );
            (label, values)
        }
    }
}

/// The cells of all tables with this head.
fn rows(head: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut lines = TEXT.lines();
    while let Some(line) = lines.next() {
        if line != head {
            continue;
        }
        let table = lines.by_ref().take_while(|line| line.starts_with('|'));
        rows.extend(table.skip(1).map(|row| {
            let cells = row.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        }));
    }
    assert!(!rows.is_empty(), "no table `{head}`");
    rows
}

fn unquote(text: &str) -> String {
    text.trim().trim_matches('`').to_owned()
}

fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
