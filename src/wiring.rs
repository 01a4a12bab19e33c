//! From settings to what each part wants to know: one function a part.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cue_check_in::RefreshSettings;
use cue_cluster_feed::{ClusterRules, FeedSettings};
use cue_dispatch::DispatchSettings;
use cue_domain::Tag;
use cue_domain::fit::FitRules;
use cue_hosts::{IndexSettings, Saturation};
use cue_job_fetch::FetchSettings;
use cue_layer_lock::LockSettings;
use cue_rqd::RqdSettings;
use cue_store::{BookingRules, StoreSettings};

use crate::config::Settings;

/// How long a worker rests after the database failed it.
const REST: Duration = Duration::from_secs(1);

pub(crate) fn store(settings: &Settings) -> StoreSettings {
    let database = &settings.database;
    StoreSettings {
        url: database.url.reveal().to_owned(),
        pool: database.pool,
        acquire_timeout: database.acquire_timeout,
        statement_timeout: database.statement_timeout,
        application_name: database.application_name.clone(),
        booking: BookingRules {
            memory_used_min: settings.booking.memory_reserved_min,
            update_stat_on_book: settings.booking.update_stat_on_book,
        },
    }
}

pub(crate) const fn index(settings: &Settings) -> IndexSettings {
    let matching = &settings.matching;
    let strategy = Saturation {
        core: matching.core_saturation,
        memory: matching.memory_saturation,
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
        exit_when_idle: feed.exit_when_idle.map(|turns| u64::from(turns.get())),
        replica: crate::telemetry::replica(),
    }
}

pub(crate) fn fetch(settings: &Settings) -> FetchSettings {
    let fetch = &settings.fetch;
    FetchSettings {
        jobs: narrow(fetch.jobs_per_turn),
        layers: narrow(fetch.layers_per_turn),
        rest: REST,
    }
}

pub(crate) fn lock(settings: &Settings) -> LockSettings {
    let lock = &settings.lock;
    LockSettings {
        jobs: lock.batch_layers.get(),
        layers: lock.batch_layers.get(),
        frames: narrow(lock.batch_frames),
        frames_per_layer: narrow(lock.frames_per_layer),
        rest: REST,
    }
}

pub(crate) const fn dispatch(settings: &Settings) -> DispatchSettings {
    let rqd = &settings.rqd;
    DispatchSettings {
        dry_run: settings.booking.dry_run,
        launches_in_flight: rqd.launches_in_flight.get(),
        resolve_attempts: rqd.resolve_attempts,
        rest: REST,
    }
}

/// The settings' own bounds are far below what 32 bits hold.
fn narrow(count: NonZeroUsize) -> u32 {
    u32::try_from(count.get()).unwrap_or(u32::MAX)
}
