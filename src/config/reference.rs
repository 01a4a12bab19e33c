//! The settings as text: the effective ones as TOML, and the reference table as Markdown.
//!
//! Invariant: both are made from the record of the reader, so neither can name a setting that does not exist or
//! miss one that does. The listing is itself a settings file (a masked secret apart).

use super::reader::{Effective, file_variable};
use super::rules::{Form, elements};

/// The column of a value's source in the listing, unless the value is longer.
const ORIGIN_COLUMN: usize = 56;

/// The effective settings as TOML, each with a comment on its source.
#[must_use]
pub fn listing(effective: &[Effective]) -> String {
    let line = |entry: &Effective| {
        let setting = match &entry.value {
            Some(value) => format!("{} = {}", entry.setting.key, toml(entry.form, value)),
            None => format!("# {} is not set", entry.setting.key),
        };
        format!("{setting:ORIGIN_COLUMN$} # {}\n", entry.origin)
    };
    effective.iter().map(line).collect()
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
            let note = NOTES.iter().find(|(about, _)| *about == section);
            let note = note.map_or_else(String::new, |(_, note)| format!("{note}\n"));
            out.push_str(&format!("\n## {section}\n\n{note}{HEAD}"));
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
Each variable of a secret has a second one that ends in `_FILE` and names a file with the value.
Unknown keys, unknown `CUE_` variables, bad values and impossible combinations are refused at start, all
at once, with exit code 64. `cue-scheduler config` prints the effective settings and where each came from.
";

/// Notes on whole sections.
const NOTES: [(&str, &str); 2] = [
    ("telemetry", super::telemetry::NOTE),
    ("metrics", super::metrics::NOTE),
];

const HEAD: &str =
    "| key | variable | default | allowed | what it does |\n| --- | --- | --- | --- | --- |\n";

fn row(entry: &Effective) -> String {
    let setting = &entry.setting;
    let also = setting.also.map(|also| format!(", else `{also}`"));
    let file = entry
        .secret
        .then(|| format!("; as a file: `{}`", file_variable(setting.env)));
    let default = match setting.default {
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
        None => "–".to_owned(),
    };
    format!(
        "| `{}` | `{}`{}{} | {default} | {} | {} |\n",
        setting.key,
        setting.env,
        also.unwrap_or_default(),
        file.unwrap_or_default(),
        entry.allowed,
        setting.doc
    )
}

/// A value in TOML. What the rule refuses is shown as it was given, as a text.
fn toml(form: Form, value: &str) -> String {
    // A text in JSON is a text in TOML too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let number = || Some(value.parse::<u64>().ok()?.to_string());
    let flag = || Some(value.to_ascii_lowercase().parse::<bool>().ok()?.to_string());
    match form {
        Form::Number => number().unwrap_or_else(|| quoted(value)),
        Form::Flag => flag().unwrap_or_else(|| quoted(value)),
        Form::Text => quoted(value),
        Form::List => {
            let items: Vec<String> = elements(value).map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
    }
}
