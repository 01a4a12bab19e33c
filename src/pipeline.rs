//! The picture: six stages in a line, and the side loops.
//!
//! ```text
//!              Turn            Work              LockedBatch         BookingPlan          Outcome
//!  cluster_feed ──▶ job_fetch ──────▶ layer_lock ─────────▶ host_match ─────────▶ dispatch ──────▶ check_in
//!       ▲                                                                                            │
//!       └──────────────────── the turn's ticket: the turn ends when its last copy drops ─────────────┘
//! ```
//!
//! There is no logic here: `parts.rs` makes the parts, and [`Pipeline::build`] joins them.

mod error;
mod handles;
mod parts;
mod settings;
mod shared;
mod timings;

use std::sync::Arc;

use cue_flow::{Flow, Meters};
use prometheus::Registry;

pub use self::error::StartError;
pub use self::handles::Pipeline;
use self::shared::Shared;
use crate::config::Settings;

impl Pipeline {
    /// Connects, reads the hosts once, and starts every part.
    ///
    /// # Errors
    /// The database or the settings cannot be used. No part runs then.
    pub async fn build(settings: &Settings, registry: &Registry) -> Result<Self, StartError> {
        let shared = Shared::connect(settings, registry).await?;
        let (feed, matching, dispatch) = (
            shared.cluster_feed()?,
            shared.host_match()?,
            shared.dispatch()?,
        );
        let host_refresh = shared.host_refresh(matching.metrics())?;
        host_refresh.once().await?;
        // A pause that was set before the start holds from the first turn.
        let pauses = shared.pauses()?;
        Box::pin(pauses.read()).await?;
        let demand_refresh = shared.demand_refresh(&feed)?;
        let (settle, reconcile) = (shared.settle(&dispatch)?, shared.reconcile(&dispatch));
        let (replicas, unserved) = (shared.replicas()?, shared.unserved_watch()?);
        let farm_watch = shared.farm_watch()?;
        let accounts = shared.accounts()?;
        let closed_hosts = shared.closed_hosts();
        let check_in = shared.check_in(matching.metrics());
        let mut pipeline = Self {
            flow: Flow::new(Meters::new(registry)?),
            turn_queue: feed.queue(),
            feed: feed.handle(),
            hosts: shared.hosts.clone(),
            demand: shared.demand.clone(),
            store: shared.store.clone(),
            settle: settle.clone(),
            layer_backoffs: Arc::clone(&shared.layer_backoffs),
            host_backoffs: Arc::clone(&shared.host_backoffs),
            missing: Arc::clone(&shared.missing),
            pending: dispatch.recorder().pending(),
            closed: closed_hosts.seen(),
            pauses: pauses.clone(),
            supply: Arc::clone(&shared.supply),
            replicas: replicas.roll(),
            refusals: dispatch.refusals(),
            accounts: accounts.state(),
            health: shared.health.clone(),
            farm: farm_watch.found(),
            unserved: unserved.found(),
        };

        let (flow, width) = (&mut pipeline.flow, &settings.stages);
        flow.line(feed)
            .stage(shared.job_fetch(&replicas)?, width.job_fetch)
            .stage(shared.layer_lock()?, width.layer_lock)
            .cpu_stage(matching, width.host_match)
            .stage(dispatch, width.dispatch)
            .end(check_in, width.check_in);

        flow.tick(demand_refresh);
        flow.tick(host_refresh);
        flow.tick(settle);
        flow.tick(replicas);
        flow.tick(shared.snapshots()?);
        flow.tick(shared.health_watch()?);
        flow.tick(unserved);
        flow.tick(farm_watch);
        flow.tick(closed_hosts);
        flow.tick(pauses);
        flow.tick(accounts);
        if let Some(reservations) = shared.reservations()? {
            flow.tick(reservations);
        }
        if let Some(reconcile) = reconcile {
            flow.tick(reconcile);
        }
        Ok(pipeline)
    }
}
