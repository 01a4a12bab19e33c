//! The feed's loop.
//!
//! Invariant: no turn begins while the database is unavailable. The feed is the first to ask the database again, and
//! ends the service when the outage lasts too long.

use std::sync::Arc;

use cue_demand::DemandIndex;
use cue_domain::messages::Turn;
use cue_domain::{Cluster, TurnEnd};
use cue_flow::{BoxError, Closed, Outlet, Slot, Source, StageGone, StopToken};
use cue_store::{Outage, Store};
use prometheus::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Span;

use crate::handle::FeedHandle;
use crate::metrics::FeedMetrics;
use crate::turn_queue::{Due, TurnBackoffs, TurnQueue};
use crate::updates::DemandUpdates;

/// Settings of the feed.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// Backoffs of clusters.
    pub backoffs: TurnBackoffs,
    /// Ends the service after this many consecutive turns or readings without jobs; `None` never does.
    pub exit_when_idle: Option<u64>,
    /// Name of this replica in traces.
    pub replica: String,
}

/// The database has been unavailable for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database is unavailable for too long, so the service ends; set CUE_DATABASE_BREAKER_GIVES_UP to `false` to keep trying"
)]
pub struct DatabaseGone;

/// Values that the feed shares with other parts.
pub struct Connections {
    /// The database.
    pub store: Store,
    /// The waiting work.
    pub demand: DemandIndex,
    /// Notified when hosts gain capacity.
    pub supply: Arc<Notify>,
}

/// The source of turns.
pub struct ClusterFeed {
    shared: Connections,
    settings: FeedSettings,
    queue: TurnQueue,
    handle: FeedHandle,
    metrics: FeedMetrics,
}

impl ClusterFeed {
    /// A feed for the work in `shared.demand`.
    pub fn new(
        shared: Connections,
        settings: FeedSettings,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            queue: TurnQueue::new(settings.backoffs),
            shared,
            settings,
            handle: FeedHandle::default(),
            metrics: FeedMetrics::new(registry)?,
        })
    }

    /// The turn queue.
    pub fn queue(&self) -> TurnQueue {
        self.queue.clone()
    }

    /// Handle of the feed.
    pub fn handle(&self) -> FeedHandle {
        self.handle.clone()
    }

    /// The receiver of readings of the demand. Without a reading no cluster gets a turn.
    pub fn updates(&self) -> DemandUpdates {
        let (queue, handle) = (self.queue.clone(), self.handle.clone());
        DemandUpdates::new(queue, handle, self.metrics.clone())
    }

    /// Sends one turn through its reserved slot.
    fn begin(&self, due: Due, slot: Slot<'_, Turn>) {
        let span = turn_span(&due.cluster, &self.settings.replica);
        let begun = tracing::info_span!(parent: &span, "stage", otel.name = Self::NAME);
        let metrics = self.metrics.clone();
        let (ended, cluster) = (span.clone(), Arc::clone(&due.cluster));
        let demand = self.shared.demand.clone();
        let ticket = self.queue.open(&due.cluster, move |end, booked| {
            demand.turn_ended(&cluster.key, &booked);
            record_end(&ended, end);
            metrics.turn_ended(&cluster.key, end);
        });
        self.metrics.turn_begun(&due.cluster.key, due.round_trip);
        let turn = Turn {
            cluster: due.cluster,
            ticket,
        };
        drop(begun);
        slot.send_root(turn, span);
    }

    /// Returns true if the service must end because no work came for long enough.
    fn is_idled_out(&self) -> bool {
        let (idle_turns, is_quiet) = self.queue.idle();
        self.settings
            .exit_when_idle
            .is_some_and(|bound| is_quiet && idle_turns >= bound)
    }
}

impl Source for ClusterFeed {
    const NAME: &'static str = "cluster_feed";
    type Out = Turn;

    async fn run(self, out: Outlet<Turn>, stop: StopToken) -> Result<(), BoxError> {
        let mut slot = None;
        while !stop.is_cancelled() {
            if self.is_idled_out() {
                tracing::info!(
                    turns = self.settings.exit_when_idle,
                    "no jobs for as many turns and readings as asked; ending"
                );
                break;
            }
            let available = tokio::select! {
                () = stop.cancelled() => break,
                available = self.shared.store.available() => available,
            };
            let wake = match available {
                Err(Outage { gave_up: true, .. }) => return Err(DatabaseGone.into()),
                Err(outage) => Some(Instant::now() + outage.retry_in),
                Ok(()) => match self.queue.next_due() {
                    Some(due) if due <= Instant::now() => {
                        // A cluster is picked once there is room for its turn, and the conditions above are
                        // checked again after the wait.
                        if let Some(slot) = slot.take() {
                            if let Some(due) = self.queue.take_due(Instant::now()) {
                                self.begin(due, slot);
                            }
                        } else {
                            let reserved = tokio::select! {
                                () = stop.cancelled() => break,
                                reserved = out.reserve() => reserved,
                            };
                            slot = Some(reserved.map_err(|Closed(())| StageGone)?);
                        }
                        continue;
                    }
                    next => next,
                },
            };
            let due = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.queue.changed() => {}
                () = self.shared.supply.notified() => self.queue.supply_changed(Instant::now()),
                () = due => {}
            }
        }
        Ok(())
    }
}

/// Records how a turn ended.
fn record_end(turn: &Span, end: &TurnEnd) {
    turn.record("cue.turn.outcome", end.outcome());
    for (field, count) in [
        ("cue.turn.jobs", end.jobs),
        ("cue.turn.layers", end.layers),
        ("cue.turn.frames_booked", end.booked),
        ("cue.turn.frames_refused", end.refused),
        ("cue.turn.launches_failed", end.launches_failed),
    ] {
        turn.record(field, count.cast_signed());
    }
    let (kind, reason) = match end {
        TurnEnd { failed: true, .. } => (
            "query_error",
            "a stage could not finish its part".to_owned(),
        ),
        TurnEnd {
            launches_failed: 1..,
            ..
        } => (
            "launch_failed",
            format!("{} of its launches failed", end.launches_failed),
        ),
        _ => return,
    };
    turn.record("error.type", kind);
    turn.record("otel.status_description", reason);
}

/// Root span of a turn.
fn turn_span(cluster: &Cluster, replica: &str) -> Span {
    tracing::info_span!(
        parent: None,
        "turn",
        otel.kind = "consumer",
        cue.cluster = %cluster,
        cue.facility.name = %cluster.facility_name,
        cue.show.name = %cluster.show_name,
        cue.replica = replica,
        cue.turn.outcome = tracing::field::Empty,
        cue.turn.jobs = tracing::field::Empty,
        cue.turn.layers = tracing::field::Empty,
        cue.turn.frames_booked = tracing::field::Empty,
        cue.turn.frames_refused = tracing::field::Empty,
        cue.turn.launches_failed = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    )
}
