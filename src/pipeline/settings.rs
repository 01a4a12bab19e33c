//! Settings of the parts of the pipeline, from the settings of the service: one function a part.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use cue_cluster_feed::{FeedSettings, TurnBackoffs};
use cue_dispatch::DispatchSettings;
use cue_domain::score::Weights;
use cue_hosts::{Epvm, IndexSettings, Ranking, Saturation};
use cue_job_fetch::FetchSettings;
use cue_loops::{DemandRefreshSettings, HostRefreshSettings};
use cue_rqd::RqdSettings;
use cue_store::{StoreSettings, Timings};

use crate::config::{Settings, Strategy, wiring};
use crate::telemetry;

/// Slack between the last moment of a live launch and the first at which it counts as forgotten.
const FORGOTTEN_MARGIN: Duration = Duration::from_secs(2);

/// Shortest time between two looks at hosts or at waiting work. A look costs milliseconds, and looks take at most a
/// twentieth of the time, so that their period grows by itself where they take long.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Shortest lease of a host. It ends only leases that a fault lost, and is far longer than a batch takes.
const LEASE: Duration = Duration::from_secs(300);

/// Backoff of a worker after a database error.
pub(super) const WORKER_BACKOFF: Duration = Duration::from_secs(1);

/// Settings of the store for a replica that books, whose sessions have its name.
pub(super) fn replica_store(settings: &Settings) -> StoreSettings {
    let store = wiring::store(settings);
    let replica = telemetry::replica();
    StoreSettings {
        application_name: cue_store::session_name(
            &store.application_name,
            &replica,
            // A dry run launches nothing and takes nothing back.
            (!settings.booking.dry_run).then_some(&timings(settings)),
        ),
        ..store
    }
}

/// Times on which all replicas must agree.
pub(super) const fn timings(settings: &Settings) -> Timings {
    Timings {
        launch_deadline: settings.booking.launch_deadline,
        connect_timeout: settings.rqd.connect_timeout,
        request_timeout: settings.rqd.request_timeout,
    }
}

pub(super) fn index(settings: &Settings) -> IndexSettings {
    let matching = &settings.matching;
    let strategy = match matching.strategy {
        Strategy::Saturation => Ranking::Saturation(Saturation {
            core: matching.core_saturation,
            memory: matching.memory_saturation,
        }),
        Strategy::Epvm => Ranking::Epvm(Epvm {
            weights: Weights {
                cores: matching.epvm_cores,
                memory: matching.epvm_mem,
                gpus: matching.epvm_gpus,
                gpu_memory: matching.epvm_gpu_mem,
                gpu_reservation: matching.epvm_gpu_count_reservation,
                gpu_memory_reservation: matching.epvm_gpu_mem_reservation,
            },
            ..Epvm::default()
        }),
    };
    let mut seed = DefaultHasher::new();
    telemetry::replica().hash(&mut seed);
    IndexSettings {
        strategy,
        seed: seed.finish(),
        // A lease that ended while its batch is booked would have others try the same host.
        lease_timeout: LEASE
            .max(settings.database.statement_timeout + settings.rqd.request_timeout),
    }
}

pub(super) fn rqd(settings: &Settings) -> RqdSettings {
    let rqd = &settings.rqd;
    RqdSettings {
        address: rqd.address.clone(),
        port: rqd.port,
        connect_timeout: rqd.connect_timeout,
        request_timeout: rqd.request_timeout,
        connections: rqd.connections,
        propagate: settings.telemetry.propagate,
        ..RqdSettings::default()
    }
}

pub(super) fn host_refresh(settings: &Settings) -> HostRefreshSettings {
    HostRefreshSettings {
        facility: settings.feed.facility.clone(),
        every: LOOK_EVERY,
        stale_after: settings.matching.host_stale_after,
    }
}

pub(super) fn demand_refresh(settings: &Settings) -> DemandRefreshSettings {
    DemandRefreshSettings {
        facility: settings.feed.facility.clone(),
        every: LOOK_EVERY,
    }
}

pub(super) fn feed(settings: &Settings) -> FeedSettings {
    let feed = &settings.feed;
    FeedSettings {
        backoffs: TurnBackoffs {
            empty: feed.empty_backoff,
            saturated: feed.saturated_backoff,
        },
        exit_when_idle: feed.exit_when_idle.map(|turns| u64::from(turns.get())),
        replica: telemetry::replica(),
    }
}

pub(super) fn fetch(settings: &Settings) -> FetchSettings {
    let rules = wiring::pick_rules(settings);
    FetchSettings {
        order: rules.order,
        layers: rules.layers,
        frames: rules.frames,
        part_layers: settings.lock.batch_layers.get(),
        part_frames: rules.layer_frames,
        cores_follow_memory: rules.cores_follow_memory,
        backoff: WORKER_BACKOFF,
    }
}

/// Settings of dispatch.
pub(super) const fn dispatch(settings: &Settings) -> DispatchSettings {
    let rqd = &settings.rqd;
    DispatchSettings {
        dry_run: settings.booking.dry_run,
        launches_in_flight: rqd.launches_in_flight.get(),
        // A host that hangs has a connection of its own, so these bound each other.
        slow_launches: rqd.connections.get(),
        launch_deadline: settings.booking.launch_deadline,
        resolve_attempts: rqd.resolve_attempts,
        worker_backoff: WORKER_BACKOFF,
    }
}

/// Frames that are locked, or booked and not launched yet, at a time. All of them are launched well before their deadline
/// if a launch takes a tenth of a second.
pub(super) fn launch_capacity(settings: &Settings) -> u32 {
    if settings.booking.dry_run {
        return u32::MAX >> 4;
    }
    let frames = settings.rqd.launches_in_flight.get().saturating_mul(64);
    let batch = settings.lock.batch_frames.get();
    u32::try_from(frames.max(batch)).unwrap_or(u32::MAX)
}

/// Age at which a booking that no host report has named counts as forgotten. A live process begins its launch by the
/// deadline, dials, and waits for the answer within this time.
pub(super) fn forgotten_after(settings: &Settings) -> Duration {
    let rqd = &settings.rqd;
    settings.booking.launch_deadline + rqd.connect_timeout + rqd.request_timeout + FORGOTTEN_MARGIN
}
