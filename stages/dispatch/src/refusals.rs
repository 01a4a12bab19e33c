//! The last refusal by each cap, and of a launch, in words, for people who look at the page.
//!
//! Invariant: bounded by the number of caps and a thousand layers, and only read for people.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cue_domain::admission::Refusal;
use cue_domain::messages::LockedLayer;
use cue_domain::{Host, LayerId};
use cue_rqd::LaunchLayer;

/// Layers whose last refused launch is remembered; more are refused only when something is wrong with all.
const LAYERS: usize = 1_000;

/// Time for which a refused launch is worth a word.
const REMEMBERED: Duration = Duration::from_secs(900);

/// The last refusal by each cap, and of a launch of each layer. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    caps: BTreeMap<&'static str, Noted>,
    layers: HashMap<LayerId, Noted>,
}

#[derive(Debug)]
struct Noted {
    why: String,
    at: Instant,
}

impl Refusals {
    /// By cap, the last refusal with the numbers that were compared, and its age. A refused launch is
    /// under `launch`.
    #[must_use]
    pub fn last(&self) -> BTreeMap<&'static str, (String, Duration)> {
        let told = |noted: &Noted| (noted.why.clone(), noted.at.elapsed());
        let last = self.lock();
        last.caps
            .iter()
            .map(|(cap, noted)| (*cap, told(noted)))
            .collect()
    }

    /// Notes the first refusal of a batch by each cap: the others have the same reason.
    pub(crate) fn record<'a>(
        &self,
        refusals: impl Iterator<Item = (&'a LockedLayer, &'a Host, &'a Refusal)>,
    ) {
        let (mut noted, at) = (BTreeMap::new(), Instant::now());
        for (layer, host, refusal) in refusals {
            let told = || {
                let why = named(refusal, layer, host);
                let why = format!("{} of {}: {why}", layer.layer.name, layer.job.name);
                Noted { why, at }
            };
            noted.entry(refusal.cap()).or_insert_with(told);
        }
        if !noted.is_empty() {
            self.lock().caps.extend(noted);
        }
    }

    /// The last refused launch of these layers, with host and reason, and its age.
    #[must_use]
    pub fn launch_of<'a>(
        &self,
        layers: impl Iterator<Item = &'a LayerId>,
    ) -> Option<(String, Duration)> {
        let last = self.lock();
        let noted = layers.filter_map(|layer| last.layers.get(layer));
        let noted = noted.max_by_key(|noted| noted.at)?;
        let age = noted.at.elapsed();
        (age < REMEMBERED).then(|| (noted.why.clone(), age))
    }

    /// Records the last launch that a host refused.
    pub(crate) fn record_launch(
        &self,
        layer: &LaunchLayer,
        error: &(dyn std::error::Error + 'static),
    ) {
        let (why, at) = (error.to_string(), Instant::now());
        let named = format!("{} of {}: {why}", layer.layer_name, layer.job_name);
        let mut last = self.lock();
        last.caps.insert("launch", Noted { why: named, at });
        if last.layers.len() >= LAYERS {
            last.layers
                .retain(|_, noted| noted.at.elapsed() < REMEMBERED / 15);
        }
        if last.layers.len() < LAYERS {
            last.layers
                .insert(layer.layer_id.clone(), Noted { why, at });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The refusal with the names of host, job and show instead of their ids, which nobody knows by heart.
fn named(refusal: &Refusal, layer: &LockedLayer, host: &Host) -> String {
    let names = [
        (host.id.as_str(), &*host.name),
        (layer.job.id.as_str(), &*layer.job.name),
        (layer.job.show.as_str(), &*layer.cluster.show_name),
    ];
    let why = refusal.to_string();
    names
        .iter()
        .filter(|(id, _)| !id.is_empty())
        .fold(why, |why, (id, name)| why.replace(id, name))
}
