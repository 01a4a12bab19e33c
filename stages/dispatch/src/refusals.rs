//! The last refusal by each cap, in words, for whoever looks at the page.
//!
//! Invariant: it is bounded by the number of caps that there are, and only read for people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cue_domain::Host;
use cue_domain::admission::Refusal;
use cue_domain::messages::LockedLayer;

/// The last refusal by each cap. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<BTreeMap<&'static str, Noted>>>);

#[derive(Debug)]
struct Noted {
    why: String,
    at: Instant,
}

impl Refusals {
    /// By cap, what was refused last with the numbers that were compared, and how long ago.
    #[must_use]
    pub fn last(&self) -> BTreeMap<&'static str, (String, Duration)> {
        let told = |noted: &Noted| (noted.why.clone(), noted.at.elapsed());
        let noted = self.lock();
        noted
            .iter()
            .map(|(cap, noted)| (*cap, told(noted)))
            .collect()
    }

    /// Notes the first refusal of a batch by each cap: the others have the same reason.
    pub(crate) fn note<'a>(
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
            self.lock().extend(noted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Noted>> {
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
