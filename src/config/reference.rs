//! The settings as text: the effective ones as TOML, and the reference table as Markdown.
//!
//! Invariant: both are made from what was read, so neither can name a setting that does not exist or
//! miss one that does. The listing is itself a settings file (a masked secret apart).

use std::fmt::Write as _;

use super::reader::Effective;
use super::rules::{Form, elements};

/// The column at which the listing says where a value came from, unless a value is longer.
const ORIGIN_COLUMN: usize = 56;

/// The effective settings as TOML, each with a comment on where it came from.
#[must_use]
pub fn listing(effective: &[Effective]) -> String {
    let mut out = String::new();
    for entry in effective {
        let line = match &entry.value {
            Some(value) => format!("{} = {}", entry.setting.key, toml(entry.form, value)),
            None => format!("# {} is not set", entry.setting.key),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{line:ORIGIN_COLUMN$} # {}", entry.origin);
    }
    out
}

/// The reference of all settings as Markdown.
#[must_use]
pub fn reference(effective: &[Effective]) -> String {
    let mut out = INTRODUCTION.to_owned();
    let mut section = "";
    for entry in effective {
        let topic = entry.setting.key.split('.').next().unwrap_or_default();
        if topic != section {
            section = topic;
            let _ = write!(out, "\n## {section}\n\n");
            if let Some((_, note)) = NOTES.iter().find(|(about, _)| *about == section) {
                let _ = writeln!(out, "{note}");
            }
            out.push_str(HEAD);
        }
        out.push_str(&row(entry));
    }
    out
}

const INTRODUCTION: &str = "\
# Settings of cue-scheduler

Printed by `cue-scheduler config --reference`; a test keeps this page equal to the program.

A value comes from the default, then the TOML file (`--config`, or `CUE_CONFIG`), then the environment,
then a flag (`--set key=value` sets any key); the later wins. An empty variable counts as not set.
Unknown keys, unknown `CUE_` variables, bad values and impossible combinations are refused at start, all
at once, with exit code 64. `cue-scheduler config` prints the effective settings and where each came from.
";

/// What is to be said of a section as a whole.
const NOTES: [(&str, &str); 1] = [("telemetry", super::telemetry::NOTE)];

const HEAD: &str =
    "| key | variable | default | allowed | what it does |\n| --- | --- | --- | --- | --- |\n";

fn row(entry: &Effective) -> String {
    let setting = &entry.setting;
    let variable = match setting.also {
        Some(also) => format!("`{}`, else `{also}`", setting.env),
        None => format!("`{}`", setting.env),
    };
    let default = match setting.default {
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
        None => "–".to_owned(),
    };
    format!(
        "| `{}` | {variable} | {default} | {} | {} |\n",
        setting.key, entry.allowed, setting.doc
    )
}

fn toml(form: Form, value: &str) -> String {
    // A text in JSON is a text in TOML too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match form {
        // What the rule refuses is shown as it was given, as a text.
        Form::Number => value
            .parse::<u64>()
            .map_or_else(|_| quoted(value), |number| number.to_string()),
        Form::Flag => value
            .to_ascii_lowercase()
            .parse::<bool>()
            .map_or_else(|_| quoted(value), |flag| flag.to_string()),
        Form::Text => quoted(value),
        Form::List => {
            let items: Vec<String> = elements(value).map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
    }
}
