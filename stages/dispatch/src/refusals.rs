//! The last refusal by each cap, in words, for whoever looks at the page.
//!
//! Invariant: it is bounded by the number of caps that there are, and only read for people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cue_domain::admission::Refusal;
use cue_domain::messages::LockedLayer;

/// The last refusal by each cap. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Refusals {
    /// By cap, what was refused last and the numbers that were compared.
    #[must_use]
    pub fn last(&self) -> BTreeMap<&'static str, String> {
        self.lock().clone()
    }

    /// Notes the first refusal of a batch by each cap: the others have the same reason.
    pub(crate) fn note<'a>(&self, refusals: impl Iterator<Item = (&'a LockedLayer, &'a Refusal)>) {
        let mut noted = BTreeMap::new();
        for (layer, refusal) in refusals {
            let text = || format!("{} of {}: {refusal}", layer.layer.name, layer.job.name);
            noted.entry(refusal.cap()).or_insert_with(text);
        }
        if !noted.is_empty() {
            self.lock().extend(noted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
