//! The settings that libraries take, made of the settings of the service.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cue_demand::{PickRules, ReplicaPlace};
use cue_domain::Tag;
use cue_domain::fit::FitRules;
use cue_domain::order::OrderRules;
use cue_store::{BookingRules, BreakerSettings, StoreSettings};
use secrecy::ExposeSecret;

use super::settings::Settings;

/// Longest wait for a free connection. The pool covers the stages, so only an outage makes anybody wait that long,
/// and the breaker must hear of it soon.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of the store.
pub fn store(settings: &Settings) -> StoreSettings {
    let database = &settings.database;
    let breaker = BreakerSettings::default();
    StoreSettings {
        url: database.url.expose_secret().to_owned(),
        pool: database.pool,
        acquire_timeout: ACQUIRE_TIMEOUT,
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        application_name: database.application_name.clone(),
        booking: BookingRules {
            memory_used_min: settings.booking.memory_reserved_min,
            uncharged_exit_statuses: settings.booking.uncharged_exit_statuses.clone(),
        },
        breaker: BreakerSettings {
            give_up_after: breaker.give_up_after.filter(|_| database.breaker_gives_up),
            ..breaker
        },
    }
}

/// Timeout of a statement that a person waits for. On a farm of millions of rows a statement that reads all of them takes
/// longer than a booking may, and a late answer is better than none.
const PERSON_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of the store for a command that a person runs.
pub fn patient_store(settings: &Settings) -> StoreSettings {
    let store = store(settings);
    StoreSettings {
        statement_timeout: store.statement_timeout.max(PERSON_TIMEOUT),
        ..store
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

/// Tags whose layers are left out.
pub fn ignored_tags(settings: &Settings) -> Vec<Tag> {
    let ignored = settings.feed.ignore_tags.iter();
    ignored.map(|tag| Tag::from(tag.as_str())).collect()
}

/// Rules of a pick for all replicas together, by which an answer says who is served first.
pub(crate) fn pick_rules(settings: &Settings) -> PickRules {
    let policy = &settings.policy;
    PickRules {
        order: OrderRules {
            order: policy.order,
            priority_exponent: policy.priority_exponent,
            aging: policy.aging,
        },
        frames: narrow(settings.fetch.frames_per_turn),
        layer_frames: narrow(settings.lock.batch_frames),
        layers: settings.fetch.layers_per_turn.get(),
        cores_follow_memory: policy.cores_follow_memory,
        replica: ReplicaPlace::ONLY,
    }
}

/// A count as 32 bits, which the bounds of the settings keep far from the maximum.
fn narrow(count: NonZeroUsize) -> u32 {
    u32::try_from(count.get()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_breaker_gives_up_after_ten_openings_unless_the_settings_forbid() {
        let after = |pairs: &[(&str, &str)]| {
            let mut environment = BTreeMap::from([(
                "CUE_DATABASE_URL".to_owned(),
                "postgres://db.example/farm".to_owned(),
            )]);
            let pairs = pairs.iter();
            environment
                .extend(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let settings = crate::config::load(None, &environment, &[])
                .settings
                .unwrap();
            store(&settings).breaker.give_up_after
        };
        assert_eq!(after(&[]), Some(10));
        assert_eq!(after(&[("CUE_DATABASE_BREAKER_GIVES_UP", "false")]), None);
    }
}
