//! Settings of the log: which lines there are, and how they look.
//!
//! Invariant: the filter is about log lines only. It never takes a span out of a trace.

use tracing_subscriber::EnvFilter;

use super::rules::{Form, Rule, choice};
use super::topic::topic;

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, sentence, `key=value`.
    Human,
    /// For machines: one JSON object a line.
    Json,
}

topic! {
    /// Log lines.
    Logging in "logging" {
        /// Lines that are logged: a level, or levels by module.
        filter: String = Some("info"), "CUE_LOG" or "RUST_LOG", filter();
        /// Format of a log line.
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
