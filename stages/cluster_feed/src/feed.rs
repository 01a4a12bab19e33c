//! The feed's loop.
//!
//! Invariant: no turn begins while the database is away. The feed is the first to ask whether it is
//! back, and ends the service when it has been away for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cue_domain::Cluster;
use cue_domain::messages::Turn;
use cue_flow::{BoxError, Chain, Outlet, Source, StopToken, micros};
use cue_store::{Outage, Store};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Span;

use crate::book::{Due, Rests, TurnBook};
use crate::clusters::{ClusterRules, gather};
use crate::metrics::FeedMetrics;
use crate::scan::ActiveScan;

/// How the feed works.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// The facility to serve, by name; `None` serves all.
    pub facility: Option<String>,
    /// How tags are gathered.
    pub rules: ClusterRules,
    /// Interval at which the cluster set is read again even if no change of it was seen.
    pub reload: Duration,
    /// Rest after a turn without jobs, or with a failed query.
    pub empty_rest: Duration,
    /// Rest after a turn that found jobs and could place none.
    pub saturated_rest: Duration,
    /// How often the farm is scanned for work. A farm that takes long to scan is scanned less
    /// often: at most a tenth of the time goes into scanning.
    pub scan: Duration,
    /// Whether, of clusters that are due at the same moment, the one that booked last goes first.
    pub productivity_bias: bool,
    /// Ends the service after this many turns or scans in a row without jobs; `None` never does.
    pub exit_when_idle: Option<u64>,
    /// What the traces call this replica.
    pub replica: String,
}

/// How soon clusters that could not be read are read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The database has been away for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database has not answered for so long that the service ends; set CUE_DATABASE_BREAKER_GIVES_UP to `false` to make it keep trying"
)]
pub struct DatabaseGone;

/// Asks the feed for something while it runs. Cloning asks the same feed.
#[derive(Clone, Debug, Default)]
pub struct FeedHandle {
    reload: Arc<Notify>,
    facility_gone: Arc<AtomicBool>,
}

impl FeedHandle {
    /// Has the clusters read again now. Asking again before that has happened changes nothing.
    pub fn reload_now(&self) {
        self.reload.notify_one();
    }

    /// Returns true while the facility that is served is not in the database.
    #[must_use]
    pub fn is_facility_gone(&self) -> bool {
        self.facility_gone.load(Ordering::Relaxed)
    }

    /// Records whether the facility is there, and logs when that changes.
    pub(crate) fn set_facility(&self, name: &str, known: bool) {
        let was_gone = self.facility_gone.swap(!known, Ordering::Relaxed);
        match (was_gone, known) {
            (false, false) => tracing::error!(
                facility = name,
                "the facility of CUE_FACILITY is no longer in the database: nothing is booked until it is back"
            ),
            (true, true) => tracing::info!(facility = name, "the facility is back"),
            _ => {}
        }
    }

    /// Resolves when a reload has been asked for. The feed waits here; it is not for two.
    pub async fn reload_asked(&self) {
        self.reload.notified().await;
    }

    /// Whether one has been asked for since the last time.
    async fn is_reload_asked(&self) -> bool {
        tokio::select! {
            biased;
            () = self.reload.notified() => true,
            () = std::future::ready(()) => false,
        }
    }
}

/// Picks whose turn it is, until stopped.
pub struct ClusterFeed {
    store: Store,
    settings: FeedSettings,
    book: TurnBook,
    handle: FeedHandle,
    metrics: FeedMetrics,
}

impl ClusterFeed {
    /// A feed over the farm in `store`.
    #[must_use]
    pub fn new(store: Store, settings: FeedSettings, metrics: FeedMetrics) -> Self {
        let book = TurnBook::new(Rests {
            empty: settings.empty_rest,
            saturated: settings.saturated_rest,
            productivity_bias: settings.productivity_bias,
        });
        Self {
            store,
            settings,
            book,
            handle: FeedHandle::default(),
            metrics,
        }
    }

    /// The book of turns, for those who want to look.
    #[must_use]
    pub fn book(&self) -> TurnBook {
        self.book.clone()
    }

    /// To ask for something while it runs.
    #[must_use]
    pub fn handle(&self) -> FeedHandle {
        self.handle.clone()
    }

    /// The scan that tells the book for which clusters there is work. Without it every cluster gets
    /// turns.
    #[must_use]
    pub fn scan(&self) -> ActiveScan {
        ActiveScan::new(
            self.store.clone(),
            self.book.clone(),
            self.settings.facility.clone(),
            self.settings.scan,
            self.metrics.clone(),
            self.handle.clone(),
        )
    }

    /// Reads the clusters, and says when to read them again. A failure is logged and counted, and the
    /// clusters known so far go on.
    async fn reload(&self) -> Instant {
        match self
            .store
            .list_clusters(self.settings.facility.as_deref())
            .await
        {
            Ok(rows) => {
                let clusters = gather(&rows, &self.settings.rules);
                self.metrics
                    .set_clusters(clusters.iter().map(|cluster| &cluster.key.kind));
                let known = clusters.len();
                let (came, left) = self.book.reload(clusters, Instant::now());
                self.metrics.reloads.inc("ok");
                if came + left > 0 {
                    tracing::info!(known, came, left, "the cluster set changed");
                }
                Instant::now() + self.settings.reload
            }
            Err(error) => {
                self.metrics.reloads.inc("error");
                tracing::warn!(
                    error = %Chain(&error),
                    "the cluster set could not be read; going on with the known one"
                );
                Instant::now() + READ_AGAIN.min(self.settings.reload)
            }
        }
    }

    /// Hands one turn on. `false` when the pipeline is gone.
    async fn begin(&self, due: Due, out: &Outlet<Turn>, stop: &StopToken) -> bool {
        let span = turn_span(&due.cluster, &self.settings.replica);
        let kind = due.cluster.key.kind;
        let metrics = self.metrics.clone();
        let ended = span.clone();
        let ticket = self.book.open(&due.cluster, move |end| {
            ended.record("turn.outcome", end.outcome());
            ended.record("turn.frames_booked", end.booked.cast_signed());
            if end.failed {
                ended.record("error.type", "query_error");
                ended.record(
                    "otel.status_description",
                    "a stage could not finish its part",
                );
            }
            metrics.turn_ended(kind, end);
        });
        let ticket = ticket.in_trace(span.id().map(|id| id.into_u64()));
        let turn = Turn {
            cluster: due.cluster,
            ticket,
            skip: due.skip,
            ask: due.ask,
        };
        let (began, waits) = (Instant::now(), span.clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => true,
            sent = out.send_root(turn, span) => {
                waits.record("send_wait_us", micros(began.elapsed()));
                if sent.is_ok() {
                    self.metrics.turn_begun(kind, due.round_trip);
                }
                sent.is_ok()
            }
        }
    }

    fn idled_out(&self) -> bool {
        let (idle_turns, at_rest) = self.book.idle();
        self.settings
            .exit_when_idle
            .is_some_and(|bound| at_rest && idle_turns >= bound)
    }
}

impl Source for ClusterFeed {
    const NAME: &'static str = "cluster_feed";
    type Out = Turn;

    async fn run(self, out: Outlet<Turn>, stop: StopToken) -> Result<(), BoxError> {
        let mut reload_at = Instant::now();
        while !stop.is_cancelled() {
            if self.idled_out() {
                tracing::info!(
                    turns = self.settings.exit_when_idle,
                    "no jobs for as many turns and scans as asked; ending"
                );
                break;
            }
            let available = tokio::select! {
                () = stop.cancelled() => break,
                available = self.store.available() => available,
            };
            let wake = match available {
                Err(Outage { gave_up: true, .. }) => return Err(DatabaseGone.into()),
                Err(outage) => Instant::now() + outage.retry_in,
                Ok(()) => {
                    // Also while turns are due without end.
                    if self.handle.is_reload_asked().await || Instant::now() >= reload_at {
                        reload_at = tokio::select! {
                            () = stop.cancelled() => break,
                            next = self.reload() => next,
                        };
                    }
                    match self.book.take_due(Instant::now()) {
                        Ok(due) => {
                            if !self.begin(due, &out, &stop).await {
                                return Err("the pipeline behind the feed is gone".into());
                            }
                            continue;
                        }
                        Err(next) => next.map_or(reload_at, |next| next.min(reload_at)),
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.book.changed() => {}
                () = self.handle.reload_asked() => reload_at = Instant::now(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        Ok(())
    }
}

fn turn_span(cluster: &Cluster, replica: &str) -> Span {
    let tags = cluster
        .key
        .tags
        .iter()
        .map(cue_domain::Tag::as_str)
        .collect::<Vec<_>>()
        .join("|");
    tracing::info_span!(
        parent: None,
        "turn",
        cluster = %cluster,
        facility = %cluster.facility_name,
        show = %cluster.show_name,
        tags,
        replica,
        turn.outcome = tracing::field::Empty,
        turn.frames_booked = tracing::field::Empty,
        send_wait_us = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    )
}

#[cfg(test)]
pub(crate) mod tests;
