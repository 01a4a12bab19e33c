//! Reads one setting after the other from file, environment and flags, and keeps a record.
//!
//! Invariant: a setting exists if, and only if, it was read. The table of settings (for the
//! reference, for `config`, for spotting unknown keys) is the record of the reader, so it cannot
//! differ from the settings that the program uses.

use std::collections::BTreeMap;

use super::fault::{Fault, Origin};
use super::file::Written;
use super::names::{CONFIG, is_foreign, misspelt_telemetry, nearest, removed};
use super::rules::{Form, Rule};

/// Variables of the process by name. `main` collects them once, so that a test can pass any others.
pub type Environment = BTreeMap<String, String>;

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
    /// One sentence on the effect of the setting.
    pub doc: &'static str,
}

/// A setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The declaration.
    pub setting: Setting,
    /// The value is a secret: it is masked, and a variable can name a file that holds it.
    pub secret: bool,
    /// Spelling of the value in TOML.
    pub form: Form,
    /// Values that are allowed, in words.
    pub allowed: String,
    /// The value as text, masked if it is a secret; none if it is not set.
    pub value: Option<String>,
    /// Source of the value.
    pub origin: Origin,
}

impl Effective {
    /// Names of all variables that give the value.
    fn variables(&self) -> impl Iterator<Item = String> {
        let names = [Some(self.setting.env), self.setting.also];
        names.into_iter().flatten().flat_map(|name| {
            let file = self.secret.then(|| file_variable(name));
            file.into_iter().chain([name.to_owned()])
        })
    }
}

/// A value given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag, as in `--dry-run`.
    pub name: String,
    /// The key of the setting.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// Sources of values, without the defaults.
pub(super) struct Sources<'a> {
    pub(super) file: BTreeMap<String, Written>,
    pub(super) path: String,
    pub(super) environment: &'a Environment,
    pub(super) flags: &'a [Flag],
}

/// Reads settings and keeps a record of them and of their faults.
pub(super) struct Reader<'a> {
    sources: Sources<'a>,
    pub(super) entries: Vec<Effective>,
    pub(super) faults: Vec<Fault>,
}

/// Value of a variable. An empty value counts as not set.
pub(super) fn variable(environment: &Environment, name: &str) -> Option<String> {
    let value = environment.get(name)?;
    (!value.trim().is_empty()).then(|| value.clone())
}

/// The variable that names a file with the secret of the variable `name`.
pub(super) fn file_variable(name: &str) -> String {
    format!("{name}_FILE")
}

fn read_secret(name: &str, path: &str) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(|error| Fault::Secret {
        variable: file_variable(name),
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: Sources<'a>, faults: Vec<Fault>) -> Self {
        Self {
            sources,
            entries: Vec::new(),
            faults,
        }
    }

    /// Value of a setting. A fault is recorded, and the default, or the rule's stand-in, lets the reading go on.
    pub(super) fn read<T>(&mut self, setting: Setting, rule: Rule<T>) -> Option<T> {
        let faults = self.faults.len();
        let (found, origin) = self.find(&setting, rule.secret).unwrap_or_else(|fault| {
            self.refuse(fault);
            (None, Origin::Default)
        });
        let has_fault = self.faults.len() > faults;
        let value = found.as_ref().and_then(|written| rule.value(written));
        let shown = found.map(|written| (rule.mask)(written.text.trim()));
        let (key, env, allowed) = (setting.key, setting.env, rule.allowed);
        match &shown {
            Some(shown) if value.is_none() => self.refuse(Fault::Value {
                key,
                origin: origin.clone(),
                value: shown.clone(),
                allowed: allowed.clone(),
            }),
            None if rule.required && !has_fault => self.faults.push(Fault::Missing {
                key,
                env,
                allowed: allowed.clone(),
            }),
            _ => {}
        }
        let default = || setting.default.and_then(|text| (rule.parse)(text));
        let value = value.or_else(default).or(rule.absent);
        self.entries.push(Effective {
            setting,
            secret: rule.secret,
            form: rule.form,
            allowed,
            value: shown,
            origin,
        });
        value
    }

    /// Records a fault, unless another setting has it from the same variable.
    fn refuse(&mut self, fault: Fault) {
        if !self.faults.iter().any(|known| known.is_of_variable(&fault)) {
            self.faults.push(fault);
        }
    }

    /// Records a fault for every key and every `CUE_` variable that belongs to no setting read so far.
    pub(super) fn refuse_unknown(&mut self) {
        let keys = || self.entries.iter().map(|entry| entry.setting.key);
        let variables = || {
            let read = self.entries.iter().flat_map(Effective::variables);
            read.chain([CONFIG.to_owned()])
        };
        let path = Origin::File(self.sources.path.clone());
        let in_file = self.sources.file.keys().map(|key| (key, path.clone()));
        let flags = self.sources.flags.iter();
        let in_flags = flags.map(|flag| (&flag.key, Origin::Flag(flag.name.clone())));
        let unknown_keys = in_file
            .chain(in_flags)
            .filter(|(key, _)| !keys().any(|known| known == *key))
            .map(|(key, origin)| {
                removed(key).unwrap_or_else(|| Fault::UnknownKey {
                    nearest: nearest(key, keys()),
                    key: key.clone(),
                    origin,
                })
            });
        let names = self.sources.environment.keys();
        let unknown_variables = names
            .filter(|name| name.starts_with("CUE_") && !is_foreign(name))
            .filter(|name| !variables().any(|known| known == **name))
            .map(|name| {
                removed(name).unwrap_or_else(|| Fault::UnknownVariable {
                    nearest: nearest(
                        name,
                        variables().collect::<Vec<_>>().iter().map(String::as_str),
                    ),
                    name: name.clone(),
                })
            });
        // Variables of OpenTelemetry may be meant for other programs, but one that is nearly ours is not.
        let names = self.sources.environment.keys();
        let misspelt = names
            .filter(|name| name.starts_with("OTEL_") && !variables().any(|known| known == **name))
            .filter_map(|name| misspelt_telemetry(name, variables()));
        let unknown: Vec<Fault> = unknown_keys
            .chain(unknown_variables)
            .chain(misspelt)
            .collect();
        self.faults.extend(unknown);
    }

    /// The last source that has a value wins.
    fn find(&self, setting: &Setting, secret: bool) -> Result<(Option<Written>, Origin), Fault> {
        let plain = |text: String| Some(Written { text, list: false });
        let sources = &self.sources;
        let given = |flag: &&Flag| flag.key == setting.key;
        if let Some(flag) = sources.flags.iter().rev().find(given) {
            return Ok((plain(flag.value.clone()), Origin::Flag(flag.name.clone())));
        }
        for name in [Some(setting.env), setting.also].into_iter().flatten() {
            let value = variable(sources.environment, name);
            let path = secret.then(|| variable(sources.environment, &file_variable(name)));
            match (value, path.flatten()) {
                (Some(value), None) => return Ok((plain(value), Origin::Environment(name))),
                (None, Some(path)) => {
                    return Ok((plain(read_secret(name, &path)?), Origin::File(path)));
                }
                (Some(_), Some(value)) => {
                    let reason = format!("{name} and {name}_FILE are both set, give one of them");
                    let key = setting.key;
                    return Err(Fault::Combination { key, value, reason });
                }
                (None, None) => {}
            }
        }
        if let Some(written) = sources.file.get(setting.key) {
            return Ok((Some(written.clone()), Origin::File(sources.path.clone())));
        }
        let default = setting.default.map(str::to_owned);
        Ok((default.and_then(plain), Origin::Default))
    }
}
