//! The feed's loop.

use std::time::Duration;

use cue_domain::Cluster;
use cue_domain::messages::Turn;
use cue_flow::{BoxError, Outlet, Source, StopToken};
use cue_store::Store;
use tokio::time::Instant;
use tracing::Span;

use crate::book::{Due, Rests, TurnBook};
use crate::clusters::{ClusterRules, gather};
use crate::metrics::FeedMetrics;

/// How the feed works.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// The facility to serve, by name; `None` serves all.
    pub facility: Option<String>,
    /// How tags are gathered.
    pub rules: ClusterRules,
    /// How often the cluster set is read again.
    pub reload: Duration,
    /// Rest after a turn without jobs, or with a failed query.
    pub empty_rest: Duration,
    /// Rest after a turn that found jobs and could place none.
    pub saturated_rest: Duration,
    /// Ends the service after this many turns in a row without jobs; `None` never does.
    pub exit_when_idle: Option<u64>,
    /// What the traces call this replica.
    pub replica: String,
}

/// Picks whose turn it is, until stopped.
pub struct ClusterFeed {
    store: Store,
    settings: FeedSettings,
    book: TurnBook,
    metrics: FeedMetrics,
}

impl ClusterFeed {
    /// A feed over the farm in `store`.
    #[must_use]
    pub fn new(store: Store, settings: FeedSettings, metrics: FeedMetrics) -> Self {
        let book = TurnBook::new(Rests {
            empty: settings.empty_rest,
            saturated: settings.saturated_rest,
        });
        Self {
            store,
            settings,
            book,
            metrics,
        }
    }

    /// The book of turns, for those who want to look.
    #[must_use]
    pub fn book(&self) -> TurnBook {
        self.book.clone()
    }

    /// Reads the clusters. A failure is logged and counted, and the clusters known so far go on.
    async fn reload(&self) {
        match self
            .store
            .list_clusters(self.settings.facility.as_deref())
            .await
        {
            Ok(rows) => {
                let clusters = gather(rows, &self.settings.rules);
                self.metrics
                    .set_clusters(clusters.iter().map(|cluster| &cluster.key.kind));
                let known = clusters.len();
                let (came, left) = self.book.reload(clusters, Instant::now());
                self.metrics.reloads.with_label_values(&["ok"]).inc();
                if came + left > 0 {
                    tracing::info!(known, came, left, "the cluster set changed");
                }
            }
            Err(error) => {
                self.metrics.reloads.with_label_values(&["error"]).inc();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the cluster set could not be read; going on with the known one"
                );
            }
        }
    }

    /// Hands one turn on. `false` when the pipeline is gone.
    async fn begin(&self, due: Due, out: &Outlet<Turn>, stop: &StopToken) -> bool {
        let span = turn_span(&due.cluster, &self.settings.replica);
        let metrics = self.metrics.clone();
        let ended = span.clone();
        let ticket = self.book.open(&due.cluster, move |end| {
            ended.record("turn.outcome", end.reason());
            ended.record("turn.frames_booked", end.booked);
            metrics.turn_ended(end);
        });
        let turn = Turn {
            cluster: due.cluster,
            ticket,
            page: due.page,
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => true,
            sent = out.send_root(turn, span) => {
                if sent.is_ok() {
                    self.metrics.polls.inc();
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
            if Instant::now() >= reload_at {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.reload() => {}
                }
                reload_at = Instant::now() + self.settings.reload;
            }
            if self.idled_out() {
                tracing::info!(
                    turns = self.settings.exit_when_idle,
                    "no jobs for as many turns as asked; ending"
                );
                break;
            }
            let wake = match self.book.take_due(Instant::now()) {
                Ok(due) => {
                    if !self.begin(due, &out, &stop).await {
                        return Err("the pipeline behind the feed is gone".into());
                    }
                    continue;
                }
                Err(next) => next.map_or(reload_at, |next| next.min(reload_at)),
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.book.changed() => {}
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
    )
}
