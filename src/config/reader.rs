//! Reads one setting after the other from file, environment and flags, and keeps a record.
//!
//! Invariant: a setting exists if, and only if, it was read. The table of settings (for the
//! reference, for `config`, for spotting unknown keys) is what the reader has seen, so it cannot
//! differ from what the program uses.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::fault::{Fault, Origin, nearest};
use super::file::Written;
use super::rules::{Form, Rule};

/// The declaration of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The dotted key in the file and in `--set`.
    pub key: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// A second name that is looked at when the first is not set.
    pub also: Option<&'static str>,
    /// The default as text; without one the setting is either optional or must be given.
    pub default: Option<&'static str>,
    /// One sentence on what it does.
    pub doc: &'static str,
}

/// A setting with the value it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The declaration.
    pub setting: Setting,
    /// How the value is written in TOML.
    pub form: Form,
    /// What values are allowed.
    pub allowed: String,
    /// The value as text, masked if it is a secret; none if it is not set.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
}

/// A value given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag, as in `--dry-run`.
    pub name: String,
    /// The key it sets.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// Everything that values come from, besides the defaults.
pub(super) struct Sources<'a> {
    pub(super) file: BTreeMap<String, Written>,
    pub(super) path: String,
    pub(super) environment: &'a dyn Environment,
    pub(super) flags: &'a [Flag],
}

/// Reads settings and keeps a record of them and of their faults.
pub(super) struct Reader<'a> {
    sources: Sources<'a>,
    pub(super) entries: Vec<Effective>,
    pub(super) faults: Vec<Fault>,
}

/// Variables with our prefix that belong to OpenCue's other programs and are often set farm-wide.
const FOREIGN: [&str; 4] = [
    "CUE_FRAME_LOG_DIR",
    "CUE_FS_ROOT",
    "CUE_PYTHON_BIN",
    "CUE_PYTHONPATH",
];

/// Settings that earlier versions had: key, variable, and what the program does without them.
const REMOVED: [(&str, &str, &str); 2] = [
    ("booking.accounting", "CUE_ACCOUNTING", ACCOUNTS),
    ("booking.recompute", "CUE_ACCOUNTING_RECOMPUTE", ACCOUNTS),
];

const ACCOUNTS: &str = "the accounts heal themselves beside every Cuebot";

fn removed(name: &str) -> Option<Fault> {
    let known = |(key, variable, _): &&(&str, &str, &str)| name == *key || name == *variable;
    REMOVED.iter().find(known).map(|(.., why)| Fault::Removed {
        name: name.to_owned(),
        why,
    })
}

/// The variable that names the settings file; it cannot be a setting of the file itself.
pub(super) const CONFIG: &str = "CUE_CONFIG";

impl<'a> Reader<'a> {
    pub(super) fn new(sources: Sources<'a>, faults: Vec<Fault>) -> Self {
        Self {
            sources,
            entries: Vec::new(),
            faults,
        }
    }

    /// The value of a setting. What is wrong with it is noted, and nothing or the rule's stand-in is
    /// returned.
    pub(super) fn read<T>(&mut self, setting: Setting, rule: Rule<T>) -> Option<T> {
        let (found, origin) = self.find(&setting);
        let value = match &found {
            Some(written) => self.check(&setting, &rule, written, &origin),
            None => {
                if rule.required {
                    self.faults.push(Fault::Missing {
                        key: setting.key,
                        env: setting.env,
                        allowed: rule.allowed.clone(),
                    });
                }
                None
            }
        };
        self.entries.push(Effective {
            setting,
            form: rule.form,
            allowed: rule.allowed,
            value: found.map(|written| (rule.mask)(written.text.trim())),
            origin,
        });
        value.or(rule.absent)
    }

    /// Notes every key and `CUE_` variable that belongs to no setting read so far.
    pub(super) fn refuse_unknown(&mut self) {
        let path = Origin::File(self.sources.path.clone());
        let in_file = self.sources.file.keys().map(|key| (key, path.clone()));
        let in_flags = self
            .sources
            .flags
            .iter()
            .map(|flag| (&flag.key, Origin::Flag(flag.name.clone())));
        let mut unknown: Vec<Fault> = in_file
            .chain(in_flags)
            .filter(|(key, _)| !self.entries.iter().any(|entry| entry.setting.key == *key))
            .map(|(key, origin)| {
                let unknown = || Fault::UnknownKey {
                    key: key.clone(),
                    origin,
                    nearest: nearest(key, self.entries.iter().map(|entry| entry.setting.key)),
                };
                removed(key).unwrap_or_else(unknown)
            })
            .collect();
        let mut names = self.sources.environment.names();
        names.sort();
        for name in names.into_iter().filter(|name| name.starts_with("CUE_")) {
            let known = self.variables().chain(FOREIGN).chain([CONFIG]);
            if !known.into_iter().any(|known| known == name) {
                let fault = removed(&name).unwrap_or_else(|| Fault::UnknownVariable {
                    nearest: nearest(&name, self.variables().chain([CONFIG])),
                    name,
                });
                unknown.push(fault);
            }
        }
        self.faults.append(&mut unknown);
    }

    fn variables(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.entries
            .iter()
            .flat_map(|entry| [Some(entry.setting.env), entry.setting.also])
            .flatten()
    }

    /// The last source that has a value wins.
    fn find(&self, setting: &Setting) -> (Option<Written>, Origin) {
        let plain = |text: String| Some(Written { text, list: false });
        let given = |flag: &&Flag| flag.key == setting.key;
        if let Some(flag) = self.sources.flags.iter().rev().find(given) {
            return (plain(flag.value.clone()), Origin::Flag(flag.name.clone()));
        }
        for name in [Some(setting.env), setting.also].into_iter().flatten() {
            // OpenTelemetry says that an empty variable is one that is not set.
            let is_set = |value: &String| !(value.is_empty() && name.starts_with("OTEL_"));
            if let Some(value) = self.sources.environment.get(name).filter(is_set) {
                return (plain(value), Origin::Environment(name));
            }
        }
        if let Some(written) = self.sources.file.get(setting.key) {
            return (
                Some(written.clone()),
                Origin::File(self.sources.path.clone()),
            );
        }
        let default = setting.default.map(str::to_owned);
        (default.and_then(plain), Origin::Default)
    }

    fn check<T>(
        &mut self,
        setting: &Setting,
        rule: &Rule<T>,
        written: &Written,
        origin: &Origin,
    ) -> Option<T> {
        let text = written.text.trim();
        let shaped = !written.list || rule.form == Form::List;
        let value = shaped.then(|| (rule.parse)(text)).flatten();
        if value.is_none() {
            self.faults.push(Fault::Value {
                key: setting.key,
                origin: origin.clone(),
                value: (rule.mask)(text),
                allowed: rule.allowed.clone(),
            });
        }
        value
    }
}
