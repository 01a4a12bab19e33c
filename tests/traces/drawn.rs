//! Dashboards and alert rules: what they name exists, and the programs that read them accept them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::reference;

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

/// The names of our metrics in a text, without the endings of a histogram's parts.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known = reference::metrics();
    let words = text.split(|c| !is_part(c));
    let names = words.filter(|word| word.starts_with("scheduler_"));
    names
        .map(|name| {
            let endings = ["_bucket", "_sum", "_count"];
            let mut stems = endings
                .iter()
                .filter_map(|ending| name.strip_suffix(ending));
            let stem = stems.find(|stem| known.get(*stem).is_some_and(|m| m.kind == "histogram"));
            stem.unwrap_or(name).to_owned()
        })
        .collect()
}

fn assert_known(place: &str, text: &str) {
    let known: BTreeSet<String> = reference::metrics().into_keys().collect();
    let named = named(text);
    assert!(!named.is_empty(), "{place} names no metric");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "{place} names {unknown:?}, which do not exist"
    );
}

/// A dashboard's panels and the queries in them.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} shows nothing");
        let query = |target: &Value| target["expr"].as_str().unwrap().to_owned();
        targets
            .iter()
            .map(|target| (title.clone(), query(target)))
            .collect::<Vec<_>>()
    };
    panels.iter().flat_map(of).collect()
}

#[test]
fn every_metric_in_a_dashboard_exists() {
    let mut ids = BTreeSet::new();
    for name in ["stages", "farm", "database", "failures"] {
        let text = read(&format!("grafana/dashboards/{name}.json"));
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        assert!(
            ids.insert(dashboard["uid"].to_string()),
            "{name} has the id of another"
        );
        for (title, query) in queries(&dashboard) {
            assert_known(&format!("{name}, {title}"), &query);
        }
    }
    let there = std::fs::read_dir(config("grafana/dashboards"))
        .unwrap()
        .count();
    assert_eq!(there, ids.len(), "every dashboard is looked at");
}

/// An alert rule, as far as it matters here.
struct Rule {
    name: String,
    text: String,
}

/// Cuts the rules out of the file. The program that reads it for good checks the rest.
fn rules(text: &str) -> Vec<Rule> {
    let parts = text.split("- alert: ").skip(1);
    parts
        .map(|part| Rule {
            name: part.lines().next().unwrap().trim().to_owned(),
            text: part.to_owned(),
        })
        .collect()
}

#[test]
fn every_alert_names_metrics_that_exist_and_has_its_line_in_the_runbook() {
    let (alerts, runbook) = (read("prometheus-alerts.yml"), read("RUNBOOK.md"));
    let rules = rules(&alerts);
    for Rule { name, text } in &rules {
        let expr = text.split("expr:").nth(1).unwrap();
        let expr = expr.split("labels:").next().unwrap();
        if !expr.contains("up{job=") {
            assert_known(name, expr);
        }
        let line = text.split("runbook: \"").nth(1).unwrap();
        let line = line.split('"').next().unwrap();
        let entry = format!("## {name}\n\n**{line}**\n");
        assert!(runbook.contains(&entry), "RUNBOOK.md is to have\n{entry}");
    }
    let entries = runbook
        .lines()
        .filter(|line| line.starts_with("## "))
        .count();
    assert_eq!(entries, rules.len(), "no entry without a rule");
}

#[test]
fn prometheus_accepts_its_settings_and_the_rules() {
    let check = Command::new("promtool")
        .args(["check", "config"])
        .arg(config("prometheus.yml"))
        .output();
    let Ok(check) = check else {
        eprintln!(
            "SKIPPED: promtool is not installed (Debian package prometheus); prometheus.yml and the alert rules were NOT checked"
        );
        return;
    };
    let says = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{says}");
    let rules = rules(&read("prometheus-alerts.yml")).len();
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(found.contains(&format!("{rules} rules found")), "{found}");
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
    let files = [
        "compose.yaml",
        "otel-collector.yaml",
        "prometheus.yml",
        "prometheus-alerts.yml",
        "grafana/provisioning/datasources/datasources.yaml",
        "grafana/provisioning/dashboards/dashboards.yaml",
    ];
    for file in files {
        for (number, line) in read(file).lines().enumerate() {
            let place = format!("{file}:{}", number + 1);
            let indent = line.len() - line.trim_start().len();
            assert!(!line.contains('\t'), "{place} has a tab");
            assert!(indent.is_multiple_of(2), "{place} is indented by {indent}");
            let quotes = line.matches('"').count() - line.matches("\\\"").count();
            assert!(quotes.is_multiple_of(2), "{place} has an open quote");
        }
    }
}
