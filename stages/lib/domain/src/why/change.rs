//! A change of a layer that somebody thinks of: the answer says what would keep the layer then.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::facts::Facts;
use crate::tags::Tag;
use crate::units::{Centicores, Kib};

/// Amounts and tags that a layer would have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    text: String,
    cores: Option<Centicores>,
    memory: Option<Kib>,
    gpus: Option<i64>,
    gpu_memory: Option<Kib>,
    tags: Option<Arc<[Tag]>>,
    threadable: Option<bool>,
}

/// A text that is no change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A part is not `KEY=VALUE` with a key that is known.
    #[error(
        "`{0}` is no change: write some of mem=32GiB, cores=16, gpus=1, gpu_mem=8GiB, tags=general|big, \
         threadable=true, with commas between them"
    )]
    Unknown(String),
    /// A value cannot be read.
    #[error("`{value}` is no value of {key}: {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// Form of a value.
        expected: &'static str,
    },
}

impl Change {
    /// The facts with this change of each layer. What is known of the layers as they are, such as the order in which
    /// they are served and the rows that others hold, is left out.
    pub fn of(&self, facts: &Facts) -> Facts {
        let mut facts = facts.clone();
        facts.tagged = None;
        for layer in &mut facts.layers {
            (layer.queued, layer.held) = (None, None);
            let row = &mut layer.layer;
            row.cores_min = self.cores.unwrap_or(row.cores_min);
            row.memory_min = self.memory.unwrap_or(row.memory_min);
            row.gpus_min = self.gpus.unwrap_or(row.gpus_min);
            row.gpu_memory_min = self.gpu_memory.unwrap_or(row.gpu_memory_min);
            row.threadable = self.threadable.unwrap_or(row.threadable);
            if let Some(tags) = &self.tags {
                row.tags = Arc::clone(tags);
            }
        }
        facts
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let mut change = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        for part in text.split(',').map(str::trim) {
            let unknown = || ChangeError::Unknown(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(unknown)?;
            match key.trim() {
                "mem" => change.memory = Some(size("mem", value)?),
                "gpu_mem" => change.gpu_memory = Some(size("gpu_mem", value)?),
                "cores" => change.cores = Some(cores(value)?),
                "gpus" => {
                    let gpus = value.parse().ok().filter(|gpus| *gpus >= 0);
                    change.gpus = Some(gpus.ok_or_else(|| wrong("gpus", value, "a number"))?);
                }
                "threadable" => {
                    let flag = value.parse().ok();
                    let expected = "true or false";
                    let wrong = || wrong("threadable", value, expected);
                    change.threadable = Some(flag.ok_or_else(wrong)?);
                }
                "tags" => {
                    let tags = value
                        .split('|')
                        .map(str::trim)
                        .filter(|tag| !tag.is_empty());
                    change.tags = Some(tags.map(Tag::from).collect());
                }
                _ => return Err(unknown()),
            }
        }
        Ok(change)
    }
}

fn wrong(key: &'static str, value: &str, expected: &'static str) -> ChangeError {
    ChangeError::Value {
        key,
        value: value.to_owned(),
        expected,
    }
}

fn cores(value: &str) -> Result<Centicores, ChangeError> {
    let cores: Option<f64> = value.trim().parse().ok();
    let cores = cores.filter(|cores| cores.abs() <= 1e6);
    let cores = cores.ok_or_else(|| wrong("cores", value, "a number of cores"))?;
    Ok(Centicores((cores * 100.0).round() as i64))
}

fn size(key: &'static str, value: &str) -> Result<Kib, ChangeError> {
    let wrong = || wrong(key, value, "a size such as 32GiB or 512MiB");
    let value = value.trim();
    let unit = value.find(|sign: char| sign.is_alphabetic());
    let (number, unit) = value.split_at(unit.ok_or_else(wrong)?);
    let unit: f64 = match unit {
        "KiB" => 1.0,
        "MiB" => 1024.0,
        "GiB" => 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let number: Option<f64> = number.trim().parse().ok();
    let kib = number.map(|number| number * unit);
    let kib = kib.filter(|kib| (0.0..=1e15).contains(kib));
    Ok(Kib(kib.ok_or_else(wrong)?.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WaitReason;
    use crate::fit::FitRules;
    use crate::why::tests::{facts, host, scheduler};
    use crate::why::why;

    #[test]
    fn a_change_says_what_would_keep_the_layer_then() {
        let mut facts = facts();
        facts.layers[0].layer.memory_min = Kib::gib(500);
        let rules = FitRules::default();
        let reason = |change: Option<&str>| {
            let change = change.map(|text| text.parse::<Change>().unwrap());
            let facts = change.map_or(facts.clone(), |change| change.of(&facts));
            why(&facts, &[host()], &scheduler(&rules)).why.reason()
        };
        assert_eq!(reason(None), WaitReason::NoHost);
        assert_eq!(reason(Some("mem=8GiB, cores=4")), WaitReason::CanRun);
        assert_eq!(reason(Some("mem=8GiB,cores=400")), WaitReason::ShowBurst);
        assert_eq!(reason(Some("mem=8192MiB,tags=a|b")), WaitReason::NoHost);
        assert_eq!(reason(Some("mem=1GiB,gpus=2")), WaitReason::NoHost);
    }

    #[test]
    fn a_text_that_is_no_change_says_what_is_wrong() {
        let error = |text: &str| text.parse::<Change>().unwrap_err().to_string();
        assert!(error("").contains("`` is no change"));
        assert!(error("cores").contains("`cores` is no change"));
        assert!(error("colour=red").contains("`colour=red` is no change"));
        assert_eq!(
            error("mem=32"),
            "`32` is no value of mem: a size such as 32GiB or 512MiB"
        );
        for text in [
            "mem=-1GiB",
            "mem=xGiB",
            "cores=many",
            "gpus=-1",
            "threadable=2",
            "mem=1é",
        ] {
            assert!(error(text).contains("is no value of"), "{text}");
        }
    }
}
