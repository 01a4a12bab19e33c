//! Job fetch: the layers that idle hosts could run next, as their rows are now.
//!
//! The stage picks layers from the demand index by the policy and reads exactly their rows by key, so that caps, pauses
//! and priorities are fresh. Nothing is locked. If no idle host could run any layer, nothing is read. A turn whose query
//! fails ends as failed, and the worker backs off.

mod memory;
mod metrics;
mod parts;
mod rows;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::{DemandIndex, Pick, PickInput, PickRules, Picked, ReplicaPlace};
use cue_domain::backoff::Backoffs;
use cue_domain::health::Step;
use cue_domain::messages::{Turn, TurnPart, WantedLayer, Work};
use cue_domain::order::OrderRules;
use cue_domain::{BookingHealth, Cluster, Host, LayerId, Setback};
use cue_flow::{Chain, Outlet, Stage, Verdict, now_us, record_count};
use cue_hosts::HostIndex;
use cue_store::{Store, StoreError};
use parking_lot::Mutex;
use prometheus::Registry;

use crate::memory::MemoryCache;
use crate::metrics::FetchMetrics;
use crate::parts::Size;
use crate::rows::Rows;

/// First and longest backoff of a layer whose rows do not admit it now. The index is out of date: the job is at a cap or
/// paused, or no frame waits any more.
const NOT_READY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));

/// Settings of job fetch.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Order of jobs inside a show.
    pub order: OrderRules,
    /// Layers of a turn, at most.
    pub layers: usize,
    /// Frames of a turn, at most: a new job of higher priority waits for the turn before it.
    pub frames: u32,
    /// Layers of one transaction, at most.
    pub part_layers: usize,
    /// Frames of one transaction, at most.
    pub part_frames: u32,
    /// Gives layers whose frames use more memory than they ask for the cores that this strands. Until the memory of a
    /// layer that could grow is known, few of its frames run at a time.
    pub cores_follow_memory: bool,
    /// Backoff of a worker after a failed query.
    pub backoff: Duration,
}

/// Values that job fetch shares with other parts.
pub struct Connections {
    /// The database.
    pub store: Store,
    /// The waiting work.
    pub demand: DemandIndex,
    /// The hosts.
    pub hosts: HostIndex,
    /// Layers that back off, which are skipped.
    pub backoffs: Arc<Backoffs<LayerId>>,
    /// Place of this replica among those that are alive, which share the idle cores.
    pub replica: Arc<Mutex<ReplicaPlace>>,
    /// Outcomes of queries.
    pub health: BookingHealth,
}

/// The stage.
pub struct JobFetch {
    shared: Connections,
    settings: FetchSettings,
    memory: MemoryCache,
    metrics: FetchMetrics,
}

impl JobFetch {
    /// A job fetch that matches waiting work with idle hosts.
    pub fn new(
        shared: Connections,
        settings: FetchSettings,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            shared,
            settings,
            memory: MemoryCache::default(),
            metrics: FetchMetrics::new(registry)?,
        })
    }

    fn pick(&self, turn: &Turn, idle: &[Host]) -> Pick {
        let began = Instant::now();
        let demand = &self.shared.demand;
        let rules = PickRules {
            order: self.settings.order,
            frames: self.settings.frames,
            layer_frames: self.settings.part_frames,
            layers: self.settings.layers,
            cores_follow_memory: self.settings.cores_follow_memory,
            replica: *self.shared.replica.lock(),
        };
        let backs_off = |layer: &LayerId| {
            let backs_off = self.shared.backoffs.get(layer, began).is_some();
            self.metrics.backoffs.inc_by(u64::from(backs_off));
            backs_off
        };
        let input = PickInput {
            supply: &demand.supply(idle),
            rules: &rules,
            now: began,
            now_us: now_us(),
            is_set_aside: &backs_off,
        };
        let pick = demand.pick(&turn.cluster.key, &input);
        self.metrics
            .pick_seconds
            .observe(began.elapsed().as_secs_f64());
        pick
    }

    /// The picked layers of a part as their rows are now, in the order of the pick.
    async fn layers(&self, turn: &Turn, picked: &[Picked]) -> Result<Vec<WantedLayer>, StoreError> {
        let rows = self.read(&turn.cluster, picked).await?;
        let jobs = rows.jobs.len() as u64;
        let (mut layers, missing) = rows.in_order(picked);
        let now = Instant::now();
        for layer in &missing {
            self.shared
                .backoffs
                .record_failure_within(layer, now, NOT_READY, Setback::NotReady);
        }
        if self.settings.cores_follow_memory
            && let Err(error) = self.size(picked, &mut layers, now).await
        {
            // Without samples the layers have the size that they ask for.
            tracing::debug!(error = %Chain(&error), "memory of layers cannot be read");
        }
        self.metrics.jobs.inc_by(jobs);
        turn.ticket.found(jobs, layers.len() as u64);
        Ok(layers)
    }

    /// Sizes the layers of which the memory is known.
    async fn size(
        &self,
        picked: &[Picked],
        layers: &mut [WantedLayer],
        now: Instant,
    ) -> Result<(), StoreError> {
        let measured = picked.iter().filter(|picked| picked.is_measured);
        let measured: HashSet<&LayerId> = measured.map(|picked| &picked.layer).collect();
        let store = &self.shared.store;
        self.memory.apply(store, layers, &measured, now).await
    }

    /// Reads the picked layers and the hosts that run them.
    async fn read(&self, cluster: &Cluster, picked: &[Picked]) -> Result<Rows, StoreError> {
        let ids: Vec<LayerId> = picked.iter().map(|picked| picked.layer.clone()).collect();
        let running = picked.iter().filter(|picked| picked.is_running);
        let running: Vec<LayerId> = running.map(|picked| picked.layer.clone()).collect();
        let asked = Instant::now();
        let jobs = self.shared.store.wanted_layers(cluster, &ids).await?;
        let hosts = if running.is_empty() {
            HashMap::new()
        } else {
            self.shared.store.layer_hosts(&running).await?
        };
        self.metrics
            .query_seconds
            .observe(asked.elapsed().as_secs_f64());
        Ok(Rows { jobs, hosts })
    }

    /// Sends the picked layers in parts, each for one transaction.
    async fn send(&self, turn: &Turn, pick: Pick, out: &Outlet<Work>) -> Verdict {
        let entitled: Arc<[_]> = pick.entitled.into();
        let most = Size {
            layers: self.settings.part_layers,
            frames: self.settings.part_frames,
        };
        let parts = parts::cut(pick.layers, most);
        let may_crowd = parts.len() == 1 && !pick.leaves_others;
        let mut is_ready = false;
        let mut parts = parts.into_iter().peekable();
        while let Some(part) = parts.next() {
            let layers = match self.layers(turn, &part).await {
                Ok(layers) => layers,
                Err(error) => {
                    self.shared
                        .health
                        .failed(Step::Jobs, &[], &error, Instant::now());
                    turn.ticket.fail();
                    return Verdict::RetryAfter(self.settings.backoff, error.into());
                }
            };
            self.shared.health.succeeded(Step::Jobs);
            if layers.is_empty() {
                continue;
            }
            is_ready = true;
            let part = TurnPart {
                cluster: turn.cluster.clone(),
                ticket: turn.ticket.clone(),
                entitled: Arc::clone(&entitled),
                may_crowd,
            };
            let work = Work { part, layers };
            let sent = match parts.peek() {
                Some(_) => out.send(work).await,
                None => out.send_last(work).await,
            };
            if let Err(closed) = sent {
                return closed.into();
            }
        }
        if is_ready {
            Verdict::Done
        } else {
            // The rows do not admit the layers at this moment, which does not count as idle.
            turn.ticket.found_no_host();
            Verdict::Skip("not_ready")
        }
    }
}

impl Stage for JobFetch {
    const NAME: &'static str = "job_fetch";
    type In = Turn;
    type Out = Work;

    async fn handle(&self, turn: Turn, out: &Outlet<Work>) -> Verdict {
        let idle = self.shared.hosts.idle_hosts();
        if idle.is_empty() {
            turn.ticket.found_no_host();
            return Verdict::Skip("no_host");
        }
        let pick = self.pick(&turn, &idle);
        if pick.is_limited {
            turn.ticket.was_limited();
        }
        if pick.layers.is_empty() {
            if !pick.has_work {
                return Verdict::Skip("no_jobs");
            }
            turn.ticket.found_no_host();
            return Verdict::Skip("no_host");
        }
        record_count("cue.layers", pick.layers.len());
        self.send(&turn, pick, out).await
    }
}
