//! What is logged and how it looks.
//!
//! Invariant: the filter is about log lines only. It never takes a span out of a trace.

use tracing_subscriber::EnvFilter;

use super::rules::{Form, Rule, choice};
use super::topic::topic;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, sentence, `key=value`.
    Human,
    /// For machines: one JSON object a line.
    Json,
}

topic! {
    /// What is logged and how it looks.
    Logging in "logging" {
        /// What is logged: a level, or levels by module.
        filter: String = Some("info"), "CUE_LOG", filter();
        /// How a log line looks.
        format: Format = Some("human"), "CUE_LOG_FORMAT",
            choice(&[("human", Format::Human), ("json", Format::Json)]);
    }
}

fn filter() -> Rule<String> {
    let allowed = "a filter such as `info` or `warn,cue_dispatch=debug`";
    Rule::new(Form::Text, allowed, |text| {
        (!text.is_empty() && EnvFilter::try_new(text).is_ok()).then(|| text.to_owned())
    })
}
