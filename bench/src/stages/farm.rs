//! A farm in memory for stages that know no database: hosts, a cluster, a job, layers, frames.

use std::sync::Arc;

use cue_domain::host::ThreadMode;
use cue_domain::job::Headroom;
use cue_domain::messages::{LockedBatch, LockedLayer};
use cue_domain::{
    AllocId, Centicores, Cluster, ClusterKey, FacilityId, Host, Job, Kib, Layer, Resources, ShowId,
    TagKind, Ticket, WaitingFrame,
};
use cue_hosts::{HostIndex, IndexSettings};

/// Layers of a batch, and frames of each: as many as the default bounds admit.
pub(super) const BATCH: (usize, usize) = (8, 50);

/// An idle farm.
pub(super) struct Farm {
    pub cluster: Arc<Cluster>,
    pub job: Arc<Job>,
}

impl Farm {
    pub(super) fn new() -> Self {
        let (facility, show): (FacilityId, ShowId) = (text("facility"), text("show"));
        let cluster = Cluster {
            key: ClusterKey {
                facility: facility.clone(),
                show: show.clone(),
                kind: TagKind::Alloc,
                tags: Arc::new(["pool".into()]),
            },
            facility_name: "yard".into(),
            show_name: "show".into(),
        };
        let job = Job {
            id: text("job"),
            name: "job".into(),
            show,
            facility,
            folder: text("folder"),
            dept: text("dept"),
            priority: 1,
            os: None,
            headroom: Headroom {
                cores: None,
                gpus: None,
                folder_cores: None,
                folder_gpus: None,
                subscriptions: Arc::new([(text("alloc"), Centicores::cores(10_000_000))]),
            },
        };
        Self {
            cluster: Arc::new(cluster),
            job: Arc::new(job),
        }
    }

    /// An index over so many idle hosts of 64 cores and 256 GiB.
    pub(super) fn index(&self, hosts: usize) -> HostIndex {
        let index = HostIndex::new(IndexSettings::default());
        let alloc: AllocId = text("alloc");
        let whole = Resources {
            cores: Centicores::cores(64),
            memory: Kib::gib(256),
            ..Resources::NONE
        };
        let host = |n: usize| Host {
            id: format!("host-{n:05}").into(),
            name: format!("host-{n:05}").into(),
            facility: self.cluster.key.facility.clone(),
            alloc: alloc.clone(),
            tags: Arc::clone(&self.cluster.key.tags),
            os: Arc::new(["rocky9".into()]),
            thread_mode: ThreadMode::Auto,
            total: whole,
            ledger: whole,
            idle: whole,
            reported_us: 0,
        };
        index.apply(index.mark(), (0..hosts).map(host).collect());
        index
    }

    /// A layer of one core and one GiB a frame.
    pub(super) fn layer(&self, number: usize) -> Layer {
        Layer {
            id: format!("layer-{number}").into(),
            name: "render".into(),
            dispatch_order: 1,
            cores_min: Centicores::CORE,
            cores_max: None,
            memory_min: Kib::gib(1),
            gpus_min: 0,
            gpu_memory_min: Kib(0),
            threadable: false,
            services: Arc::new([]),
            tags: Arc::clone(&self.cluster.key.tags),
            waiting: 1_000,
        }
    }

    /// A batch that nothing keeps locked.
    pub(super) fn batch(&self) -> LockedBatch<()> {
        let ticket = Ticket::open(|_| {});
        let frame = |n: usize| WaitingFrame {
            id: format!("frame-{n}").into(),
            name: "0001-render".into(),
            version: 0,
            waiting_since_ms: None,
        };
        let layer = |number: usize| LockedLayer {
            cluster: Arc::clone(&self.cluster),
            ticket: ticket.clone(),
            job: Arc::clone(&self.job),
            layer: self.layer(number),
            frames: (0..BATCH.1).map(frame).collect(),
            limits: Vec::new(),
        };
        LockedBatch {
            held: (),
            layers: (0..BATCH.0).map(layer).collect(),
        }
    }
}

/// An id.
fn text<T: From<String>>(id: &str) -> T {
    T::from(id.to_owned())
}
