//! Queries of dashboards and alerts name only what is exported: metrics, labels and values of labels.
//!
//! A name that does not exist gives an empty panel and an alert that never fires, and Prometheus has
//! no objection to either.

use std::collections::{BTreeMap, BTreeSet};

use crate::promql::{Grouping, Query, Selector};
use crate::reference::{self, Documented};

/// The labels that Prometheus itself gives to every series.
const OWN: [&str; 2] = ["job", "instance"];

/// Labels, each with the values it can have; empty if anything may be in it.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// The metrics of the reference, and the one that Prometheus makes of every scrape.
pub fn known() -> BTreeMap<String, Documented> {
    let mut known = reference::metrics();
    let up = Documented {
        kind: "gauge".to_owned(),
        labels: BTreeMap::new(),
    };
    known.insert("up".to_owned(), up);
    known
}

/// Faults of a query, and of the labels that a text shows of its result.
pub fn complaints(query: &str, text: &str, known: &BTreeMap<String, Documented>) -> Vec<String> {
    let query = match Query::read(query) {
        Ok(query) => query,
        Err(complaint) => return vec![complaint],
    };
    let mut all = Vec::new();
    let mut have: Vec<(usize, BTreeSet<String>)> = Vec::new();
    for selector in &query.selectors {
        match labels_of(&selector.metric, known) {
            Ok(labels) => {
                all.extend(strays(selector, &labels));
                have.push((selector.at, labels.into_keys().collect()));
            }
            Err(complaint) => all.push(complaint),
        }
    }
    for Grouping { labels, over } in &query.groupings {
        let inside = || have.iter().filter(|(at, _)| over.contains(at));
        for label in labels {
            if inside().any(|(_, has)| !has.contains(label)) {
                all.push(format!("it groups by {label}, which not every metric has"));
            }
        }
    }
    let first = || have.first().map(|(_, labels)| labels.clone());
    let result = query.result.map(BTreeSet::from_iter).or_else(first);
    for label in shown(text) {
        if label == "le" || result.as_ref().is_none_or(|has| !has.contains(&label)) {
            all.push(format!("{label} is shown, which the result does not have"));
        }
    }
    all
}

/// The labels that a text shows: `{{label}}` of a legend, `$labels.label` of an alert.
fn shown(text: &str) -> Vec<String> {
    let templates = text.split("{{").skip(1);
    templates
        .filter_map(|template| {
            let inside = template.split("}}").next().unwrap_or_default();
            let first = inside.split('|').next().unwrap_or_default().trim();
            let label = first.strip_prefix("$labels.").unwrap_or(first);
            (label != "$value").then(|| label.to_owned())
        })
        .collect()
}

/// Labels of a series by its name, each with the values it can have, if they are documented.
fn labels_of(name: &str, known: &BTreeMap<String, Documented>) -> Result<Labels, String> {
    let parts = ["_bucket", "_sum", "_count"];
    let part = parts.iter().find_map(|part| {
        let metric = known.get(name.strip_suffix(part)?)?;
        (metric.kind == "histogram").then_some((*part, metric))
    });
    let (part, metric) = match (part, known.get(name)) {
        (Some(found), _) => found,
        (None, Some(metric)) if metric.kind != "histogram" => ("", metric),
        (None, Some(_)) => return Err(format!("{name} has only _bucket, _sum and _count")),
        (None, None) => return Err(format!("{name} does not exist")),
    };
    let mut labels = metric.labels.clone();
    let le = (part == "_bucket").then_some("le");
    for label in OWN.into_iter().chain(le) {
        labels.insert(label.to_owned(), BTreeSet::new());
    }
    Ok(labels)
}

/// Labels of a selector that its metric does not have, or never with this value.
fn strays(selector: &Selector, labels: &Labels) -> Vec<String> {
    let metric = &selector.metric;
    let mut all = Vec::new();
    for (label, how, value) in &selector.matchers {
        let Some(values) = labels.get(label) else {
            all.push(format!("{metric} has no label {label}"));
            continue;
        };
        // A pattern that is more than a choice is a value that nobody documents, and so a stray.
        let choice = how.ends_with('~').then_some('|');
        let asked = value.split(|c| Some(c) == choice);
        let stray = asked.filter(|value| !values.is_empty() && !values.contains(*value));
        all.extend(stray.map(|value| format!("{metric} never has {label} = {value}")));
    }
    all
}

/// Queries with what is shown of them, each with a part of the complaint that it deserves.
const BAD: [(&str, &str, &str); 17] = [
    ("rate(scheduler_launched_total[5m])", "", "does not exist"),
    ("scheduler_launch_seconds", "", "has only _bucket"),
    ("scheduler_launches_total_sum", "", "does not exist"),
    ("vector(1)", "", "names no metric"),
    (
        r#"sum(rate(scheduler_launches_total{result="refused"}[5m]))"#,
        "",
        "has no label result",
    ),
    (
        r#"scheduler_launches_total{outcome="refusd"}"#,
        "",
        "never has outcome = refusd",
    ),
    (
        r#"scheduler_launches_total{outcome!~"launched|confimed"}"#,
        "",
        "never has outcome = confimed",
    ),
    (
        r#"scheduler_launches_total{job="cue-scheduler", outcome=~"re.*"}"#,
        "",
        "never has outcome = re.*",
    ),
    (
        r#"scheduler_stage_queue_depth{stage="cluster_feed"}"#,
        "",
        "never has stage = cluster_feed",
    ),
    (
        "sum by (stage) (rate(scheduler_launches_total[5m]))",
        "",
        "groups by stage",
    ),
    (
        "sum by (le) (rate(scheduler_launch_seconds_sum[5m]))",
        "",
        "groups by le",
    ),
    (
        "max by (stage) (scheduler_stage_workers / scheduler_hosts)",
        "",
        "groups by stage",
    ),
    (
        "sum(rate(scheduler_launches_total[5m])) by (outcome)",
        "",
        "by must stand before",
    ),
    (
        "sum without (outcome) (scheduler_launches_total)",
        "",
        "sum of what",
    ),
    (
        "sum(rate(scheduler_launches_total[5m]))",
        "{{outcome}}",
        "outcome is shown",
    ),
    (
        "histogram_quantile(0.5, sum by (le) (rate(scheduler_stage_run_seconds_bucket[5m])))",
        "p50 of {{stage}}",
        "stage is shown",
    ),
    (
        "scheduler_launches_unresolved > 0",
        "{{ $labels.host }} is away",
        "host is shown",
    ),
];

const GOOD: [(&str, &str); 5] = [
    ("up{job=\"cue-scheduler\"} == 0", "{{ $labels.instance }}"),
    (
        r#"sum by (instance) (rate(scheduler_launches_total{outcome=~"refused|too_late"}[5m])) / 2 > 0.05"#,
        "{{ $value | humanizePercentage }} of {{ $labels.instance }}",
    ),
    (
        "histogram_quantile(0.95, sum by (le, stage) (rate(scheduler_stage_run_seconds_bucket[$__rate_interval])))",
        "{{stage}}",
    ),
    (
        r#"rate(scheduler_frames_dispatched_total{show_name="any name"}[5m]) and on (instance) scheduler_clusters_active"#,
        "{{show_name}}",
    ),
    (
        "avg_over_time(scheduler_stage_busy_workers[10m]) / avg_over_time(scheduler_stage_workers[10m])",
        "{{ $labels.stage }}",
    ),
];

#[test]
fn a_query_for_what_is_not_exported_is_found_out() {
    let known = known();
    for (query, text, why) in BAD {
        let all = complaints(query, text, &known);
        let said = all.iter().any(|complaint| complaint.contains(why));
        assert!(said, "{query}: {why} is not in {all:?}");
    }
    for (query, text) in GOOD {
        assert_eq!(complaints(query, text, &known), [""; 0], "{query}");
    }
}
