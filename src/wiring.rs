//! From settings to what each part wants to know: one function a part.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cue_check_in::RefreshSettings;
use cue_cluster_feed::{ClusterRules, FeedSettings};
use cue_dispatch::DispatchSettings;
use cue_domain::Tag;
use cue_domain::fit::FitRules;
use cue_domain::score::Weights;
use cue_hosts::{Epvm, IndexSettings, Ranking, Saturation};
use cue_job_fetch::FetchSettings;
use cue_layer_lock::LockSettings;
use cue_rqd::RqdSettings;
use cue_store::{BookingRules, BreakerSettings, StoreSettings, Timings};

use crate::config::{self, Settings};

/// Slack between the last moment of a live launch and the first at which it counts as forgotten.
const FORGOTTEN_MARGIN: Duration = Duration::from_secs(2);

/// How often in a row the database is left alone before the program ends, if it is to end at all.
const MOST_OPENINGS: u32 = 10;

/// How long a worker rests after the database failed it.
const REST: Duration = Duration::from_secs(1);

/// How the store is to be opened.
#[must_use]
pub fn store(settings: &Settings) -> StoreSettings {
    let database = &settings.database;
    StoreSettings {
        url: database.url.reveal().to_owned(),
        pool: database.pool,
        acquire_timeout: database.acquire_timeout,
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        application_name: database.application_name.clone(),
        booking: BookingRules {
            memory_used_min: settings.booking.memory_reserved_min,
            uncharged_exit_statuses: settings.booking.uncharged_exit_statuses.clone(),
        },
        breaker: BreakerSettings {
            failures: database.breaker_failures,
            give_up_after: database.breaker_gives_up.then_some(MOST_OPENINGS),
            ..BreakerSettings::default()
        },
    }
}

/// The same for a replica that books: its sessions have its name.
pub(crate) fn replica_store(settings: &Settings) -> StoreSettings {
    let how = store(settings);
    let replica = crate::telemetry::replica();
    StoreSettings {
        application_name: cue_store::session_name(
            &how.application_name,
            &replica,
            // A dry run launches nothing and takes nothing back.
            (!settings.booking.dry_run).then_some(&timings(settings)),
        ),
        ..how
    }
}

/// Times on which all replicas must agree.
pub(crate) const fn timings(settings: &Settings) -> Timings {
    Timings {
        launch_deadline: settings.booking.launch_deadline,
        connect_timeout: settings.rqd.connect_timeout,
        request_timeout: settings.rqd.request_timeout,
    }
}

pub(crate) const fn index(settings: &Settings) -> IndexSettings {
    let matching = &settings.matching;
    let strategy = match matching.strategy {
        config::Strategy::Saturation => Ranking::Saturation(Saturation {
            core: matching.core_saturation,
            memory: matching.memory_saturation,
        }),
        config::Strategy::Epvm => Ranking::Epvm(Epvm {
            weights: Weights {
                cores: matching.epvm_cores,
                memory: matching.epvm_mem,
                gpus: matching.epvm_gpus,
                gpu_memory: matching.epvm_gpu_mem,
                gpu_reservation: matching.epvm_gpu_count_reservation,
                gpu_memory_reservation: matching.epvm_gpu_mem_reservation,
            },
            max_candidates: matching.epvm_max_candidates,
        }),
    };
    IndexSettings {
        strategy,
        lease_timeout: matching.lease_timeout,
    }
}

pub(crate) fn rqd(settings: &Settings) -> RqdSettings {
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

pub(crate) fn fit_rules(settings: &Settings) -> FitRules {
    let matching = &settings.matching;
    let selfish = matching
        .selfish_services
        .iter()
        .map(|name| Arc::from(name.as_str()))
        .collect();
    FitRules {
        selfish_services: selfish,
        stranded_memory: matching.stranded_memory,
    }
}

pub(crate) fn refresh(settings: &Settings) -> RefreshSettings {
    RefreshSettings {
        facility: settings.feed.facility.clone(),
        every: settings.matching.host_refresh,
        stale_after: settings.matching.host_stale_after,
    }
}

pub(crate) fn feed(settings: &Settings) -> FeedSettings {
    let feed = &settings.feed;
    FeedSettings {
        facility: feed.facility.clone(),
        rules: ClusterRules {
            ignore_tags: feed
                .ignore_tags
                .iter()
                .map(|tag| Tag::from(tag.as_str()))
                .collect(),
            manual_chunk: feed.manual_tags_chunk,
            hostname_chunk: feed.hostname_tags_chunk,
        },
        reload: feed.cluster_reload,
        empty_rest: feed.empty_backoff,
        saturated_rest: feed.saturated_backoff,
        scan: feed.scan,
        productivity_bias: feed.productivity_bias,
        exit_when_idle: feed.exit_when_idle.map(|turns| u64::from(turns.get())),
        replica: crate::telemetry::replica(),
    }
}

/// How job fetch works.
#[must_use]
pub fn fetch(settings: &Settings) -> FetchSettings {
    let fetch = &settings.fetch;
    FetchSettings {
        jobs: narrow(fetch.jobs_per_turn),
        layers: narrow(fetch.layers_per_turn),
        frames: fetch.frames_per_turn.get() as u64,
        rest: REST,
    }
}

/// How layer lock works.
#[must_use]
pub fn lock(settings: &Settings) -> LockSettings {
    let lock = &settings.lock;
    LockSettings {
        jobs: lock.batch_layers.get(),
        layers: lock.batch_layers.get(),
        frames: narrow(lock.batch_frames),
        frames_per_layer: narrow(lock.frames_per_layer),
        rest: REST,
    }
}

/// How dispatch works.
#[must_use]
pub const fn dispatch(settings: &Settings) -> DispatchSettings {
    let rqd = &settings.rqd;
    DispatchSettings {
        dry_run: settings.booking.dry_run,
        launches_in_flight: rqd.launches_in_flight.get(),
        // A host that hangs has a connection of its own, so these bound each other.
        slow_launches: rqd.connections.get(),
        launch_deadline: settings.booking.launch_deadline,
        resolve_attempts: rqd.resolve_attempts,
        rest: REST,
    }
}

/// Frames that are locked to be booked, or booked and not launched yet, at once. As many as are launched
/// well before their deadline where a launch takes a tenth of a second.
pub(crate) fn launch_capacity(settings: &Settings) -> u32 {
    if settings.booking.dry_run {
        return u32::MAX >> 4;
    }
    let frames = settings.rqd.launches_in_flight.get().saturating_mul(64);
    let batch = settings.lock.batch_frames.get();
    u32::try_from(frames.max(batch)).unwrap_or(u32::MAX)
}

/// When a booking that no host report has named counts as forgotten: a process that lives begins
/// its launch by the deadline, dials, and waits for the answer, all of it before that.
pub(crate) fn forgotten_after(settings: &Settings) -> Duration {
    let rqd = &settings.rqd;
    settings.booking.launch_deadline + rqd.connect_timeout + rqd.request_timeout + FORGOTTEN_MARGIN
}

/// The settings' own bounds are far below what 32 bits hold.
fn narrow(count: NonZeroUsize) -> u32 {
    u32::try_from(count.get()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_breaker_gives_up_after_ten_openings_unless_it_is_told_to_stay() {
        let after = |told: &[(&str, &str)]| {
            let mut environment = BTreeMap::from([(
                "CUE_DATABASE_URL".to_owned(),
                "postgres://db.example/farm".to_owned(),
            )]);
            let told = told.iter();
            environment.extend(told.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let settings = config::load(None, &environment, &[]).settings.unwrap();
            store(&settings).breaker.give_up_after
        };
        assert_eq!(after(&[]), Some(10));
        assert_eq!(after(&[("CUE_DATABASE_BREAKER_GIVES_UP", "false")]), None);
    }
}
