//! The dashboards as Grafana reads them: variables, descriptions, links, and every query on a real scrape.

use std::fmt::Write as _;

use serde_json::Value;

use crate::asked;
use crate::drawn::{VARIABLES, dashboards, filled_in, promtool, queries};
use crate::scrape;

fn texts<'a>(of: &'a Value, key: &'a str) -> impl Iterator<Item = &'a str> {
    let all = of.as_array().into_iter().flatten();
    all.filter_map(move |one| one[key].as_str())
}

#[test]
fn every_board_has_its_variables_links_and_alerts_and_every_panel_says_what_it_shows() {
    let known = asked::known();
    for (board, dashboard) in dashboards() {
        let variables = &dashboard["templating"]["list"];
        let names: Vec<&str> = texts(variables, "name").collect();
        assert!(
            names.starts_with(&["datasource", "jaeger"]),
            "{board}: {names:?}"
        );
        assert!(names.contains(&"replica"), "{board}: {names:?}");
        let text = dashboard.to_string();
        for (name, _) in VARIABLES
            .iter()
            .filter(|(name, _)| !name.starts_with("$__"))
        {
            let is_there = names.contains(&&name[1..]);
            assert_eq!(
                is_there,
                text.contains(&format!("\\\"{name}\\\"")),
                "{board}: {name}"
            );
        }
        for variable in variables.as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else {
                continue;
            };
            let inside = query
                .strip_prefix("label_values(")
                .unwrap()
                .strip_suffix(')')
                .unwrap();
            let (metric, label) = inside.rsplit_once(", ").unwrap();
            let shown = format!("{{{{{label}}}}}");
            let complaints = asked::complaints(metric, &shown, &known);
            assert_eq!(complaints, [""; 0], "{board}: {query}");
        }
        assert!(
            texts(&dashboard["links"], "url").any(|url| url.contains("jaeger")),
            "{board}"
        );
        let alerts = &dashboard["annotations"]["list"];
        assert!(
            texts(alerts, "expr").any(|expr| expr.starts_with("ALERTS")),
            "{board}"
        );
        for panel in dashboard["panels"].as_array().unwrap() {
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(
                description.ends_with('.'),
                "{board}, {}: {description}",
                panel["title"]
            );
            assert_eq!(
                panel["datasource"]["uid"], "${datasource}",
                "{board}, {}",
                panel["title"]
            );
        }
    }
}

/// Metrics whose series appear with their subject, which a sound farm does not have.
const ON_USE: &str = "scheduler_db_statements_total{outcome=\"error\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_a_board_finds_something_in_a_real_scrape() {
    let text = scrape::text().await;
    let mut rules = "groups: [{ name: boards, rules: [\n".to_owned();
    let mut tests =
        "rule_files: [boards.yml]\ntests:\n- interval: 1m\n  input_series:\n".to_owned();
    series(text, &mut tests);
    tests.push_str("  alert_rule_test:\n");
    for (board, dashboard) in dashboards() {
        for (n, query) in queries(board, &dashboard).iter().enumerate() {
            if query.expr.contains(ON_USE) {
                continue;
            }
            let expr = format!("absent({})", filled_in(&query.expr));
            let expr = serde_json::to_string(&expr).unwrap();
            let name = format!("{board}{n}");
            writeln!(rules, "{{ alert: {name}, expr: {expr} }},").unwrap();
            writeln!(
                tests,
                "  - {{ eval_time: 10m, alertname: {name}, exp_alerts: [] }}"
            )
            .unwrap();
        }
    }
    rules.push_str("] }]\n");
    let folder = tempfile::tempdir().unwrap();
    let (rules_file, tests_file) = (
        folder.path().join("boards.yml"),
        folder.path().join("test.yml"),
    );
    std::fs::write(&rules_file, rules).unwrap();
    std::fs::write(&tests_file, tests).unwrap();
    promtool(&["test", "rules"], &[tests_file]);
}

/// The series of the scrape, of which counters grow and gauges stay.
fn series(text: &str, tests: &mut String) {
    let mut gauges = Vec::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            gauges.extend(about.strip_suffix(" gauge").map(str::to_owned));
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}');
        let comma = if labels.is_empty() { "" } else { "," };
        let step = u8::from(!gauges.iter().any(|gauge| gauge == name));
        let value: f64 = value.parse().unwrap();
        let series = format!("{name}{{job=\"cue-scheduler\",instance=\"a\"{comma}{labels}}}");
        writeln!(
            tests,
            "  - {{ series: '{series}', values: '{value:.6}+{step}x20' }}"
        )
        .unwrap();
    }
}
