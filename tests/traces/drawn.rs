//! Dashboards and alert rules: what they name exists, and the programs that read them accept them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::asked;

const DASHBOARDS: [&str; 5] = ["stages", "farm", "database", "failures", "accounting"];

/// Values that Grafana puts in place of its variables: everything, and a range that has samples.
pub const VARIABLES: [(&str, &str); 4] = [
    ("$facility", ".*"),
    ("$show", ".*"),
    ("$replica", ".*"),
    ("$__rate_interval", "5m"),
];

/// The query as Grafana sends it.
pub fn filled_in(expr: &str) -> String {
    let replace = |expr: String, (name, value): (&str, &str)| expr.replace(name, value);
    VARIABLES.into_iter().fold(expr.to_owned(), replace)
}

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(path)
}

fn read(path: &str) -> String {
    let path = config(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// A query of a dashboard, and where it stands.
pub struct Drawn {
    pub place: String,
    pub expr: String,
    pub legend: String,
}

/// The queries in the panels of a dashboard.
pub fn queries(name: &str, dashboard: &Value) -> Vec<Drawn> {
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} shows nothing");
        let text = |target: &Value, key: &str| target[key].as_str().unwrap().to_owned();
        let query = |target: &Value| Drawn {
            place: format!("{name}, {title}"),
            expr: text(target, "expr"),
            legend: text(target, "legendFormat"),
        };
        targets.iter().map(query).collect::<Vec<_>>()
    };
    panels.iter().flat_map(of).collect()
}

/// All dashboards, by name.
pub fn dashboards() -> Vec<(&'static str, Value)> {
    let there = std::fs::read_dir(config("grafana/dashboards")).unwrap();
    assert_eq!(
        there.count(),
        DASHBOARDS.len(),
        "every dashboard is looked at"
    );
    let read = |name| {
        let text = read(&format!("grafana/dashboards/{name}.json"));
        (name, serde_json::from_str(&text).unwrap())
    };
    DASHBOARDS.into_iter().map(read).collect()
}

#[test]
fn every_metric_label_and_value_in_a_dashboard_exists() {
    let known = asked::known();
    let mut ids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert!(
            ids.insert(dashboard["uid"].to_string()),
            "{name} has the id of another"
        );
        for Drawn {
            place,
            expr,
            legend,
        } in queries(name, &dashboard)
        {
            let complaints = asked::complaints(&expr, &legend, &known);
            assert_eq!(complaints, [""; 0], "{place}: {expr}");
        }
    }
}

#[test]
fn prometheus_accepts_the_queries_of_the_dashboards() {
    // Only rules can be checked without a server, so each query becomes one.
    let mut rules = "groups: [{ name: drawn, rules: [\n".to_owned();
    for (name, dashboard) in dashboards() {
        for (n, query) in queries(name, &dashboard).iter().enumerate() {
            let expr = filled_in(&query.expr);
            let expr = serde_json::to_string(&expr).unwrap();
            writeln!(rules, "{{ record: '{name}:{n}', expr: {expr} }},").unwrap();
        }
    }
    rules.push_str("] }]\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drawn.yml");
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules"], &[file]);
}

/// An alert rule, as far as it matters here.
struct Rule {
    name: String,
    expr: String,
    /// Everything from its name on.
    text: String,
}

/// Cuts the rules out of the file. The program that reads it for good checks the rest.
fn rules(text: &str) -> Vec<Rule> {
    let parts = text.split("- alert: ").skip(1);
    parts
        .map(|part| {
            let (_, after) = part.split_once("expr:").unwrap();
            let mut lines = after.lines();
            let first = lines.next().unwrap().trim_start_matches([' ', '|']);
            // Lines of a text of several lines are indented by more than a key of the rule.
            let more = lines.take_while(|line| line.starts_with("          "));
            let expr: Vec<&str> = std::iter::once(first).chain(more).collect();
            Rule {
                name: part.lines().next().unwrap().trim().to_owned(),
                expr: expr.join("\n"),
                text: part.to_owned(),
            }
        })
        .collect()
}

#[test]
fn every_alert_asks_for_what_exists_and_has_its_line_in_the_runbook() {
    let (alerts, runbook) = (read("prometheus-alerts.yml"), read("RUNBOOK.md"));
    let (rules, known) = (rules(&alerts), asked::known());
    for Rule { name, expr, text } in &rules {
        let complaints = asked::complaints(expr, text, &known);
        assert_eq!(complaints, [""; 0], "{name}: {expr}");
        let line = text.split("runbook: \"").nth(1).unwrap();
        let line = line.split('"').next().unwrap();
        let entry = format!("## {name}\n\n**{line}**\n");
        assert!(runbook.contains(&entry), "RUNBOOK.md must have\n{entry}");
    }
    let entries = runbook
        .lines()
        .filter(|line| line.starts_with("## "))
        .count();
    assert_eq!(entries, rules.len(), "no entry without a rule");
}

/// Runs Prometheus' own checker, which must be content; without it, says so and returns nothing.
pub fn promtool(words: &[&str], files: &[PathBuf]) -> Option<String> {
    let Ok(check) = Command::new("promtool").args(words).args(files).output() else {
        eprintln!(
            "SKIPPED: promtool is not installed (Debian package prometheus); promtool {words:?} {files:?} was NOT run"
        );
        return None;
    };
    let says = String::from_utf8_lossy(&check.stderr);
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{found}{says}");
    Some(found)
}

#[test]
fn prometheus_accepts_its_settings_and_the_rules() {
    if let Some(found) = promtool(&["check", "config"], &[config("prometheus.yml")]) {
        let rules = rules(&read("prometheus-alerts.yml")).len();
        assert!(found.contains(&format!("{rules} rules found")), "{found}");
    }
}

/// The files that describe farms on which alerts must fire.
fn cases() -> Vec<PathBuf> {
    let files = std::fs::read_dir(config("alerts-test")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules"], &cases());
}

#[test]
fn every_alert_has_a_farm_on_which_it_fires_and_one_on_which_it_is_silent() {
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let known = asked::known();
    for file in cases() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut about = String::new();
        for line in text.lines() {
            if let Some((_, after)) = line.split_once("alertname: ") {
                about = after.split([',', ' ']).next().unwrap().to_owned();
            }
            if line.contains("exp_alerts: []") {
                silent.insert(about.clone());
            } else if line.contains("- exp_labels:") {
                fires.insert(about.clone());
            }
            // A farm with other metrics than ours would prove nothing.
            if let Some((_, series)) = line.split_once("series: '") {
                let (series, _) = series.split_once('\'').unwrap();
                let complaints = asked::complaints(series, "", &known);
                assert_eq!(complaints, [""; 0], "{}: {series}", file.display());
            }
        }
    }
    let rules = rules(&read("prometheus-alerts.yml"));
    let rules: BTreeSet<String> = rules.into_iter().map(|rule| rule.name).collect();
    assert_eq!(fires, rules, "each alert fires somewhere");
    assert_eq!(silent, rules, "each alert is silent somewhere");
}

#[test]
fn every_file_that_compose_mounts_is_there() {
    let compose = read("compose.yaml");
    let mounts = compose.split("./").skip(1);
    let mut seen = 0;
    for mount in mounts {
        let path = mount.split(':').next().unwrap();
        assert!(config(path).exists(), "config/{path} is not there");
        seen += 1;
    }
    assert_eq!(seen, 5);
    for port in compose.split("ports: [").skip(1) {
        let ports = port.split(']').next().unwrap();
        for port in ports.split(", ") {
            assert!(port.starts_with("\"127.0.0.1:"), "{port} is open to others");
        }
    }
}

#[test]
fn yaml_is_written_with_spaces_and_even_steps() {
    let mut files: Vec<PathBuf> = [
        "compose.yaml",
        "otel-collector.yaml",
        "prometheus.yml",
        "prometheus-alerts.yml",
        "kubernetes/kustomization.yaml",
        "kubernetes/deployment.yaml",
        "kubernetes/poddisruptionbudget.yaml",
        "kubernetes/podmonitor.yaml",
        "grafana/provisioning/datasources/datasources.yaml",
        "grafana/provisioning/dashboards/dashboards.yaml",
    ]
    .map(config)
    .to_vec();
    files.extend(cases());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            let indent = line.len() - line.trim_start().len();
            assert!(!line.contains('\t'), "{place} has a tab");
            assert!(indent.is_multiple_of(2), "{place} is indented by {indent}");
            let quotes = line.matches('"').count() - line.matches("\\\"").count();
            assert!(quotes.is_multiple_of(2), "{place} has an open quote");
        }
    }
}
