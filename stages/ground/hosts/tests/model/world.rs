//! The world of a model: an index, and who has which of its hosts.
//!
//! Invariant: whoever holds a [`Held`] has the host alone, and it is in no bucket; both are checked
//! when it is taken and when it is let go.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use cue_domain::fit::FitRules;
use cue_domain::host::ThreadMode;
use cue_domain::messages::HostLease;
use cue_domain::{
    AllocId, Centicores, FacilityId, Host, HostId, HostIdle, Kib, Layer, LayerId, Resources, Tag,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::JoinHandle;
use shuttle::{Config, Runner};

use crate::index::HostIndex;
use crate::search::Want;
use crate::settings::IndexSettings;

/// Orders that are tried by lot, and as many that change threads seldom and at bad moments.
const ORDERS: usize = 400;

/// Runs a test in many orders of its events.
pub(super) fn in_any_order(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let mut config = Config::new();
    // Frames of an unoptimised build are large.
    config.stack_size = 256 * 1024;
    for by_lot in [true, false] {
        let (test, config) = (Arc::clone(&test), config.clone());
        if by_lot {
            Runner::new(RandomScheduler::new(ORDERS), config).run(move || test());
        } else {
            Runner::new(PctScheduler::new(3, ORDERS), config).run(move || test());
        }
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) index: HostIndex,
    held: Arc<Mutex<HashSet<HostId>>>,
}

impl World {
    pub(super) fn new(hosts: Vec<Host>) -> Self {
        let world = Self {
            index: HostIndex::new(IndexSettings::default()),
            held: Arc::default(),
        };
        world.snapshot(hosts);
        world
    }

    pub(super) fn snapshot(&self, hosts: Vec<Host>) {
        self.index.apply(self.index.mark(), hosts);
    }

    pub(super) fn thread<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let world = self.clone();
        shuttle::thread::spawn(move || act(&world))
    }

    /// Takes a host with this tag.
    pub(super) fn take(&self, tag: &str) -> Option<Held> {
        let want = Want {
            facility: &FacilityId::from("f"),
            tags: &[Tag::from(tag)],
            subscriptions: &[(AllocId::from("a"), Centicores::cores(100))],
            os: None,
            layer: &layer(),
        };
        let lease = self.index.take(&want, &FitRules::default(), None)?;
        let right = lease.tags.iter().any(|of_host| *of_host == Tag::from(tag));
        assert!(right, "{} was changed before it was lent", lease.id);
        let first = self.held.lock().unwrap().insert(lease.id.clone());
        assert!(first, "{} is held by two", lease.id);
        let held = Held {
            lease: Some(lease),
            world: self.clone(),
        };
        held.is_in_no_bucket();
        Some(held)
    }

    /// Nobody holds anything, and so many hosts are known, all of them where they belong.
    pub(super) fn is_at_rest(&self, hosts: usize) {
        let farm = self.index.farm();
        farm.check();
        let stats = self.index.stats();
        assert_eq!(
            (stats.hosts, stats.leased, self.index.len()),
            (hosts, 0, hosts)
        );
        assert_eq!(farm.standing().len(), hosts, "every host can be lent");
        farm.shelves.clear_away();
        farm.shelves.check_that_nothing_is_empty();
        farm.check();
    }
}

/// A host that somebody has.
pub(super) struct Held {
    lease: Option<HostLease>,
    world: World,
}

impl Held {
    pub(super) fn lease(&self) -> &HostLease {
        self.lease.as_ref().unwrap()
    }

    pub(super) fn check_in(mut self, idle: Option<Resources>) {
        let lease = self.let_go().unwrap();
        self.world.index.check_in(lease, idle.map(HostIdle::from));
    }

    /// From now on nobody watches over it: it can be reclaimed.
    pub(super) fn into_lease(mut self) -> HostLease {
        self.let_go().unwrap()
    }

    fn is_in_no_bucket(&self) {
        let places = self.world.index.farm().places_of(&self.lease().id);
        assert_eq!(places, 0, "{} is held and in a bucket", self.lease().id);
    }

    fn let_go(&mut self) -> Option<HostLease> {
        if self.lease.is_some() && !std::thread::panicking() {
            self.is_in_no_bucket();
            self.world.held.lock().unwrap().remove(&self.lease().id);
        }
        self.lease.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.let_go());
    }
}

/// A host with so many cores idle and the tags `a` and `b`.
pub(super) fn host(id: &str, idle: i64) -> Host {
    let total = Resources {
        cores: Centicores::cores(32),
        memory: Kib::gib(64),
        ..Resources::NONE
    };
    Host {
        id: HostId::from(id),
        name: id.into(),
        facility: FacilityId::from("f"),
        alloc: AllocId::from("a"),
        tags: [Tag::from("a"), Tag::from("b")].into(),
        os: [].into(),
        thread_mode: ThreadMode::Auto,
        total,
        ledger: cores(idle).unwrap(),
        idle: cores(idle).unwrap(),
        reported_us: 0,
    }
}

pub(super) fn tagged(host: Host, tags: &[&str]) -> Host {
    let tags: Vec<Tag> = tags.iter().map(|&tag| Tag::from(tag)).collect();
    Host {
        tags: tags.into(),
        ..host
    }
}

/// What is idle on a host with so many cores left.
pub(super) fn cores(idle: i64) -> Option<Resources> {
    Some(Resources {
        cores: Centicores::cores(idle),
        memory: Kib::gib(16),
        ..Resources::NONE
    })
}

fn layer() -> Layer {
    Layer {
        id: LayerId::from("l"),
        name: "layer".into(),
        dispatch_order: 1,
        cores_min: Centicores::CORE,
        cores_max: None,
        memory_min: Kib::GIB,
        gpus_min: 0,
        gpu_memory_min: Kib(0),
        threadable: false,
        services: [].into(),
        tags: [].into(),
        waiting: 10,
    }
}
