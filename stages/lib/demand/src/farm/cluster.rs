//! The reasons of one cluster's waiting frames.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cue_domain::demand::Subscription;
use cue_domain::sizing::trial;
use cue_domain::{AllocId, Centicores, Cluster, ClusterKey, LayerId, WaitReason};

use super::room::{self, KnownRooms, Room};
use super::stranded::LeastNeeds;
use super::supplies::Supplies;
use super::values::{Oldest, Waiting};
use crate::asked::Amounts;
use crate::blocked::waited;
use crate::budget::Budget;
use crate::cluster_rows::{JobRows, LayerRows, ShapeId};
use crate::pick;
use crate::picked::PickInput;
use crate::rows::Rows;
use crate::warm::WarmLayers;

/// Centicores by allocation.
type ByAlloc = HashMap<AllocId, i64>;

/// One cluster of a view.
pub(crate) struct ClusterView {
    pub(super) cluster: Arc<Cluster>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) waiting: BTreeMap<WaitReason, Waiting>,
    /// Centicores that waiting frames could use beyond those in use, by allocation: each frame counts in all of its
    /// allocations.
    pub(super) wanted: ByAlloc,
    /// The same in all, each frame counted once.
    pub(super) wanted_in_all: i64,
    /// Least needs of frames that wait for hosts.
    pub(super) needs: LeastNeeds,
}

impl ClusterView {
    /// Centicores in use.
    pub(super) fn held(&self) -> Centicores {
        let cores = self.subscriptions.iter().map(|of| of.cores.0.max(0));
        Centicores(cores.fold(0, i64::saturating_add))
    }
}

/// Looks at a cluster; `None` if it has neither waiting frames nor a subscription.
pub(crate) fn look(
    rows: &Rows,
    warm: &WarmLayers,
    key: &ClusterKey,
    (supplies, known): (&Supplies<'_>, &mut KnownRooms),
    (pick, backoffs): (&PickInput<'_>, &HashMap<LayerId, WaitReason>),
) -> Option<ClusterView> {
    let cluster = cluster(rows, key)?;
    let subscriptions = rows.subscriptions.get(key).cloned().unwrap_or_default();
    let of_cluster = rows.clusters.get(key);
    known.of_numbering(rows.numbering);
    let mut looking = Looking {
        rows,
        key,
        supplies,
        known,
        pick,
        backoffs,
        asked: of_cluster.map_or_else(Amounts::default, |rows| rows.asked.sum()),
        budget: Budget::default(),
        rooms: HashMap::new(),
        served: Served::default(),
        is_paused: of_cluster.is_some_and(|rows| rows.is_paused),
        found: ClusterView {
            cluster,
            subscriptions,
            waiting: BTreeMap::new(),
            wanted: ByAlloc::new(),
            wanted_in_all: 0,
            needs: LeastNeeds::default(),
        },
    };
    for kept in rows.kept.of(key) {
        let sum = looking.found.waiting.entry(kept.reason).or_default();
        sum.frames = sum.frames.saturating_add(kept.frames);
    }
    let Some(of_cluster) = of_cluster else {
        return Some(looking.found);
    };
    let shapes = of_cluster
        .waiting_by_shape()
        .iter()
        .filter(|_| !of_cluster.is_paused)
        .map(|(shape, _)| *shape);
    for shape in shapes {
        looking.find_room(shape);
    }
    let has_room = |room: &Room| room.reason == WaitReason::CanRun;
    let is_reserved = !of_cluster.is_paused && !supplies.idle.reserved().is_empty();
    if is_reserved || looking.rooms.values().any(has_room) {
        looking.served = Served::of(rows, warm, key, pick);
    }
    for job in of_cluster.jobs.values() {
        looking.job(job);
    }
    Some(looking.found)
}

/// The cluster with its names, if anything is known of it.
fn cluster(rows: &Rows, key: &ClusterKey) -> Option<Arc<Cluster>> {
    if let Some(known) = rows.clusters.get(key) {
        return Some(Arc::clone(&known.cluster));
    }
    let subscriptions = rows.subscriptions.get(key).into_iter().flatten();
    let subscribed = subscriptions.map(|of| (&of.facility_name, &of.show_name));
    let kept = rows.kept.of(key).iter();
    let mut named = subscribed.chain(kept.map(|of| (&of.facility_name, &of.show_name)));
    let (facility_name, show_name) = named.next()?;
    Some(Arc::new(Cluster {
        key: key.clone(),
        facility_name: Arc::clone(facility_name),
        show_name: Arc::clone(show_name),
    }))
}

/// Frames that the next turn would serve.
#[derive(Default)]
struct Served {
    frames: HashMap<LayerId, i64>,
    entitled: Vec<AllocId>,
}

impl Served {
    fn of(rows: &Rows, warm: &WarmLayers, key: &ClusterKey, input: &PickInput<'_>) -> Self {
        let Some((pick, _)) = pick::preview(rows, warm, key, input) else {
            return Self::default();
        };
        let entitled = pick.entitled.into_iter();
        let entitled = entitled.filter(|(_, cores)| cores.0 > 0);
        let layers = pick.layers.into_iter().filter(|picked| !picked.is_spare);
        Self {
            entitled: entitled.map(|(alloc, _)| alloc).collect(),
            frames: layers
                .map(|picked| (picked.layer, i64::from(picked.frames)))
                .collect(),
        }
    }
}

/// A look at a cluster that is being made.
struct Looking<'a> {
    rows: &'a Rows,
    key: &'a ClusterKey,
    supplies: &'a Supplies<'a>,
    known: &'a KnownRooms,
    pick: &'a PickInput<'a>,
    backoffs: &'a HashMap<LayerId, WaitReason>,
    asked: Amounts,
    budget: Budget,
    rooms: HashMap<ShapeId, Room>,
    served: Served,
    is_paused: bool,
    found: ClusterView,
}

impl Looking<'_> {
    fn find_room(&mut self, id: ShapeId) {
        if let Some(shape) = self.rows.shapes.get(id as usize) {
            let room = room::of(
                self.rows,
                self.key,
                (id, shape),
                (self.supplies, self.known),
            );
            if room.reason.is_for_hosts() {
                self.found.needs.need(shape, &room.allocs, room.least);
            }
            self.rooms.insert(id, room);
        }
    }

    fn job(&mut self, job: &JobRows) {
        let mut wanted = 0_i64;
        let mut by_alloc = ByAlloc::new();
        for layer in &job.layers {
            let frames = layer.row.layer.waiting.max(0);
            if frames == 0 {
                continue;
            }
            let asked = self.asked.frames.get(&layer.row.layer.id).copied();
            let booking = asked.unwrap_or_default().clamp(0, frames);
            let left = frames - booking;
            let served = self.served.frames.get(&layer.row.layer.id).copied();
            let next = served.unwrap_or_default().clamp(0, left);
            self.add(
                WaitReason::CanRun,
                booking.saturating_add(next),
                (job, layer),
            );
            let reason = self.reason(job, layer);
            self.add(reason, left - next, (job, layer));
            let Some(room) = self.rooms.get(&layer.shape) else {
                continue;
            };
            if reason.is_for_hosts() {
                let cores = frames.saturating_mul(room.least);
                wanted = wanted.saturating_add(cores);
                for alloc in &room.allocs {
                    let sum = by_alloc.entry(alloc.clone()).or_default();
                    *sum = sum.saturating_add(cores);
                }
            }
        }
        // Frames beyond the job's cap are no claim.
        let most = job.job.room.cores.map_or(i64::MAX, |left| left.0.max(0));
        let in_all = &mut self.found.wanted_in_all;
        *in_all = in_all.saturating_add(wanted.min(most));
        for (alloc, cores) in by_alloc {
            let sum = self.found.wanted.entry(alloc).or_default();
            *sum = sum.saturating_add(cores.min(most));
        }
    }

    /// The reason of the layer's frames that no turn has asked for, and that the next one would not serve.
    fn reason(&self, job: &JobRows, layer: &LayerRows) -> WaitReason {
        if self.is_paused {
            return WaitReason::Paused;
        }
        let id = &layer.row.layer.id;
        let backoff = (!self.backoffs.is_empty()).then(|| self.backoffs.get(id).copied());
        let backoff = backoff.flatten();
        if let Some(reason) = backoff.filter(|reason| *reason != WaitReason::Limit) {
            return reason;
        }
        let room = self.rooms.get(&layer.shape);
        let reason = room.map_or(WaitReason::NoSubscription, |room| room.reason);
        if matches!(reason, WaitReason::NoSubscription | WaitReason::NoHost) {
            return reason;
        }
        if let Some(cap) = self.budget.full_cap(&job.job, &self.asked, layer) {
            return cap;
        }
        if let Some(limit) = backoff {
            return limit;
        }
        let rules = self.pick.rules;
        let asked = self.asked.frames.get(id).copied().unwrap_or_default();
        let running = layer.row.running.max(0).saturating_add(asked);
        let trial = trial(&layer.row.layer, layer.row.is_measured);
        if trial.is_some_and(|most| rules.cores_follow_memory && running >= most) {
            return WaitReason::Trial;
        }
        if reason != WaitReason::CanRun {
            let is_owner = self.supplies.owners.contains(id);
            return if is_owner {
                WaitReason::Reserved
            } else {
                reason
            };
        }
        let entitled = &self.served.entitled;
        let is_entitled = room.is_some_and(|room| {
            let mut allocs = room.allocs.iter();
            allocs.any(|alloc| entitled.contains(alloc))
        });
        if !is_entitled {
            return WaitReason::Share;
        }
        WaitReason::Order
    }

    fn add(&mut self, reason: WaitReason, frames: i64, (job, layer): (&JobRows, &LayerRows)) {
        if frames <= 0 {
            return;
        }
        let sum = self.found.waiting.entry(reason).or_default();
        sum.frames = sum.frames.saturating_add(frames);
        sum.layers += 1;
        let Some(waited) = waited(job, layer, self.pick.now_us) else {
            return;
        };
        if sum
            .oldest
            .as_ref()
            .is_none_or(|oldest| oldest.waited < waited)
        {
            let name = format!("{}/{}", job.job.name, layer.row.layer.name);
            sum.oldest = Some(Oldest { waited, name });
        }
    }
}
