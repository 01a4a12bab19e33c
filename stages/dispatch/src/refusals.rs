//! The last refusal by each cap, and of a launch, as text for people.
//!
//! Invariant: bounded by the number of caps, a thousand layers and a thousand hosts, and only read for people.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::admission::Refusal;
use cue_domain::{Booking, HostId, LaunchLayer, LayerId};
use parking_lot::Mutex;

use crate::trace_links::TraceLinks;

/// Layers whose last refused launch is remembered; more are refused only when something is wrong with all.
const LAYERS: usize = 1_000;

/// Hosts whose last refusals are remembered.
const HOSTS: usize = 1_000;

/// Refusals of a host that are remembered.
const OF_HOST: usize = 5;

/// Time for which a refused launch is worth showing.
const REMEMBERED: Duration = Duration::from_secs(900);

/// The last refusal by each cap, and of a launch of each layer. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    last: Arc<Mutex<Last>>,
    traces: TraceLinks,
}

#[derive(Debug, Default)]
struct Last {
    caps: BTreeMap<&'static str, Recorded>,
    layers: HashMap<LayerId, Recorded>,
    hosts: HashMap<HostId, VecDeque<Recorded>>,
}

#[derive(Clone, Debug)]
struct Recorded {
    reason: String,
    at: Instant,
}

impl Recorded {
    /// A launch that failed now, with the names of layer and job.
    fn of_launch(layer: &LaunchLayer, reason: &str) -> Self {
        Self {
            reason: format!("{} of {}: {reason}", layer.layer_name, layer.job_name),
            at: Instant::now(),
        }
    }
}

impl Refusals {
    /// Addresses of traces. Each refusal ends with that of its own.
    #[must_use]
    pub const fn traces(&self) -> &TraceLinks {
        &self.traces
    }

    /// By cap, the last refusal with the numbers that were compared, and its age. A refused launch is
    /// under `launch`.
    #[must_use]
    pub fn last(&self) -> BTreeMap<&'static str, (String, Duration)> {
        let last = self.last.lock();
        let caps = last.caps.iter();
        caps.map(|(cap, one)| (*cap, (one.reason.clone(), one.at.elapsed())))
            .collect()
    }

    /// Records the first refusal of a batch by each cap: the others have the same reason.
    pub(crate) fn record(&self, refusals: &[(&Booking, Refusal)], show_name: &str) {
        let (mut recorded, at) = (BTreeMap::new(), Instant::now());
        for (booking, refusal) in refusals {
            recorded.entry(refusal.cap()).or_insert_with(|| {
                let layer = &booking.layer;
                let reason = named(refusal, booking, show_name);
                let reason = format!("{} of {}: {reason}", layer.name, layer.job_name);
                Recorded { reason, at }
            });
        }
        for recorded in recorded.values_mut() {
            self.link(&mut recorded.reason);
        }
        self.last.lock().caps.extend(recorded);
    }

    /// The last refused launch of these layers, with host and reason, and its age.
    #[must_use]
    pub fn launch_of<'a>(
        &self,
        layers: impl Iterator<Item = &'a LayerId>,
    ) -> Option<(String, Duration)> {
        let last = self.last.lock();
        let recorded = layers.filter_map(|layer| last.layers.get(layer));
        let recorded = recorded.max_by_key(|recorded| recorded.at)?;
        let age = recorded.at.elapsed();
        (age < REMEMBERED).then(|| (recorded.reason.clone(), age))
    }

    /// The last launches that a host refused, the newest first, with their ages.
    #[must_use]
    pub fn launches_on(&self, host: &HostId) -> Vec<(String, Duration)> {
        let last = self.last.lock();
        let recorded = last.hosts.get(host).into_iter().flatten();
        recorded
            .map(|recorded| (recorded.reason.clone(), recorded.at.elapsed()))
            .collect()
    }

    /// Records a launch that did not reach its host: a fault of the host alone.
    pub(crate) fn record_unreachable(
        &self,
        host: &HostId,
        layer: &LaunchLayer,
        error: &(dyn std::error::Error + 'static),
    ) {
        let recorded = Recorded::of_launch(layer, &self.linked(error));
        self.last.lock().record_on(host, recorded);
    }

    /// Records the last launch that a host refused.
    pub(crate) fn record_launch(
        &self,
        host: &HostId,
        layer: &LaunchLayer,
        error: &(dyn std::error::Error + 'static),
    ) {
        let reason = self.linked(error);
        let named = Recorded::of_launch(layer, &reason);
        let (mut last, at) = (self.last.lock(), named.at);
        last.record_on(host, named.clone());
        last.caps.insert("launch", named);
        if last.layers.len() >= LAYERS {
            last.layers
                .retain(|_, recorded| recorded.at.elapsed() < REMEMBERED / 15);
        }
        if last.layers.len() < LAYERS {
            last.layers
                .insert(layer.layer_id.clone(), Recorded { reason, at });
        }
    }

    /// The reason of an error, with the address of the current trace.
    fn linked(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let mut reason = error.to_string();
        self.link(&mut reason);
        reason
    }

    /// Adds the address of the current trace.
    fn link(&self, reason: &mut String) {
        if let Some(address) = self.traces.current() {
            reason.push_str(", see ");
            reason.push_str(&address);
        }
    }
}

impl Last {
    /// Adds a refusal to the last ones of a host, of which one without a recent refusal is forgotten for room.
    fn record_on(&mut self, host: &HostId, recorded: Recorded) {
        let hosts = &mut self.hosts;
        if hosts.len() >= HOSTS && !hosts.contains_key(host) {
            hosts.retain(|_, recorded| {
                let newest = recorded.front();
                newest.is_some_and(|newest| newest.at.elapsed() < REMEMBERED / 15)
            });
        }
        if hosts.len() < HOSTS || hosts.contains_key(host) {
            let of_host = hosts.entry(host.clone()).or_default();
            of_host.truncate(OF_HOST - 1);
            of_host.push_front(recorded);
        }
    }
}

/// The refusal with the names of host, job and show instead of their ids, which nobody knows by heart.
fn named(refusal: &Refusal, booking: &Booking, show_name: &str) -> String {
    let Booking { host, layer, .. } = booking;
    let names = [
        (host.id.as_str(), &*host.name),
        (layer.job.as_str(), &*layer.job_name),
        (layer.show.as_str(), show_name),
    ];
    let reason = refusal.to_string();
    names
        .iter()
        .filter(|(id, _)| !id.is_empty())
        .fold(reason, |reason, (id, name)| reason.replace(id, name))
}
