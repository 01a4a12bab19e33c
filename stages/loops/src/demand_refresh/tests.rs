//! The feed on a real database: which shows get turns, and how soon after a change of the farm.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;

use cue_cluster_feed::{
    ClusterFeed, Connections, FeedHandle, FeedSettings, Phase, TurnBackoffs, TurnQueue,
};
use cue_domain::ClusterKey;
use cue_domain::messages::Turn;
use cue_flow::{Flow, Meters, Outlet, Stage, Verdict, Width};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;
use cue_store::StoreSettings;
use prometheus::Registry;
use tokio::sync::{Notify, mpsc};

use super::*;

mod ends;
mod waits;

async fn store(url: &str) -> Store {
    let settings = StoreSettings::new(url);
    Store::connect(&settings, &Registry::new()).await.unwrap()
}

/// Takes turns and lets each end as one that found a job, or none.
struct Taker {
    turns: mpsc::Sender<ClusterKey>,
    finds: bool,
}

impl Stage for Taker {
    const NAME: &'static str = "taker";
    type In = Turn;
    type Out = Infallible;

    async fn handle(&self, turn: Turn, _out: &Outlet<Infallible>) -> Verdict {
        if self.finds {
            turn.ticket.found(1, 1);
        }
        self.turns.send(turn.cluster.key.clone()).await.unwrap();
        Verdict::Done
    }
}

/// One worker, and room for one item.
const ONE: Width = Width {
    workers: NonZeroUsize::MIN,
    queue: NonZeroUsize::MIN,
};

struct Farm {
    fixture: Fixture,
    flow: Flow,
    handle: FeedHandle,
    book: TurnQueue,
    turns: mpsc::Receiver<ClusterKey>,
    store: Store,
    registry: Registry,
    supply: Arc<Notify>,
    db: TestDb,
}

impl Farm {
    /// A farm with one host and no work, and a feed that reads the demand at this interval.
    async fn start(every: Duration, change: impl FnOnce(&mut Settings)) -> Self {
        let db = TestDb::fresh().await;
        let fixture = Fixture::new(&db.pool).await.unwrap();
        fixture.host("h1", |_| {}).await.unwrap();
        let store = store(&db.url).await;
        let mut settings = settings(every);
        change(&mut settings);
        let registry = Registry::new();
        let supply = Arc::new(Notify::new());
        let (feed, refresh) = make(&store, settings, Arc::clone(&supply), &registry);
        let (handle, book) = (feed.handle(), feed.queue());
        let (sender, turns) = mpsc::channel(64);
        let mut flow = Flow::new(Meters::new(&registry).unwrap());
        let taker = Taker {
            turns: sender,
            finds: true,
        };
        refresh.once().await.unwrap();
        flow.line(feed).end(taker, ONE);
        flow.tick(refresh);
        Self {
            fixture,
            flow,
            handle,
            book,
            turns,
            store,
            registry,
            supply,
            db,
        }
    }

    /// The next turn, which must come soon.
    async fn turn(&mut self) -> ClusterKey {
        let turn = tokio::time::timeout(Duration::from_secs(10), self.turns.recv());
        turn.await.expect("a turn within ten seconds").unwrap()
    }

    /// Waits until the turn queue has `wanted` clusters.
    async fn clusters(&self, wanted: usize) {
        until("the clusters to be read", async || {
            self.book.status().len() == wanted
        })
        .await;
    }

    async fn end(self) {
        let report = self.flow.drain(Duration::from_secs(5)).await;
        assert!(report.fatal.is_none(), "{report:?}");
        assert!(
            report.laggards.is_empty(),
            "a stop ends any wait: {report:?}"
        );
        self.store.close().await;
        self.db.close().await.unwrap();
    }
}

/// Settings of a feed and of its readings.
struct Settings {
    demand: DemandRefreshSettings,
    feed: FeedSettings,
}

/// A feed, and the loop that reads the demand for it.
fn make(
    store: &Store,
    settings: Settings,
    supply: Arc<Notify>,
    registry: &Registry,
) -> (ClusterFeed, DemandRefresh) {
    let demand = DemandIndex::new(Vec::new());
    let shared = Connections {
        store: store.clone(),
        demand: demand.clone(),
        supply,
    };
    let feed = ClusterFeed::new(shared, settings.feed, registry).unwrap();
    let to = (demand, feed.updates());
    let metrics = DemandMetrics::new(registry).unwrap();
    let refresh = DemandRefresh::new(store.clone(), to, settings.demand, metrics);
    (feed, refresh)
}

/// Settings of a feed without backoffs that end by themselves.
fn settings(every: Duration) -> Settings {
    let feed = FeedSettings {
        backoffs: TurnBackoffs {
            empty: Duration::from_secs(3600),
            saturated: Duration::from_secs(3600),
        },
        exit_when_idle: None,
        replica: "test".to_owned(),
    };
    let demand = DemandRefreshSettings {
        facility: None,
        every,
    };
    Settings { demand, feed }
}

#[tokio::test]
async fn a_job_launched_into_an_idle_farm_gets_a_turn_after_the_next_look() {
    let mut farm = Farm::start(Duration::from_millis(50), |_| {}).await;
    farm.clusters(0).await;
    assert!(farm.turns.try_recv().is_err(), "nothing waits");
    let job = farm.fixture.frames("job", 3, |_| {}).await.unwrap();
    // All else backs off for an hour, so only a look can bring this turn.
    let turn = farm.turn().await;
    assert_eq!(turn.show.as_str(), farm.fixture.show.id.as_str(), "{job:?}");
    let text = prometheus::TextEncoder::new();
    until("the gauges", async || {
        let text = text.encode_to_string(&farm.registry.gather()).unwrap();
        ["scheduler_waiting_layers 1", "scheduler_clusters_active 1"]
            .iter()
            .all(|line| text.contains(line))
    })
    .await;
    farm.end().await;
}

#[tokio::test]
async fn work_that_found_no_host_is_tried_again_when_work_or_hosts_change_and_not_before() {
    let mut farm = Farm::start(Duration::from_millis(20), |_| {}).await;
    farm.fixture.frames("job", 3, |_| {}).await.unwrap();
    farm.turn().await;
    until("the turn to end", async || {
        matches!(farm.book.status()[0].phase, Phase::Waiting(_))
    })
    .await;
    assert!(farm.turns.try_recv().is_err(), "it backs off");
    farm.supply.notify_one();
    farm.turn().await;
    farm.fixture.frames("another", 3, |_| {}).await.unwrap();
    farm.turn().await;
    farm.end().await;
}

#[tokio::test]
async fn shows_come_and_go_with_their_work_and_with_the_flag() {
    let mut farm = Farm::start(Duration::from_millis(20), |_| {}).await;
    farm.fixture.frames("job", 1, |_| {}).await.unwrap();
    farm.clusters(1).await;
    farm.turn().await;
    farm.db
        .run("UPDATE show SET b_scheduler_managed = false")
        .await;
    farm.clusters(0).await;
    farm.db
        .run("UPDATE show SET b_scheduler_managed = true")
        .await;
    farm.clusters(1).await;
    farm.turn().await;
    farm.db.run("UPDATE job SET b_paused = true").await;
    farm.clusters(0).await;
    farm.end().await;
}

#[tokio::test]
async fn a_facility_that_goes_and_comes_back_is_noticed() {
    let farm = Farm::start(Duration::from_millis(20), |settings| {
        settings.demand.facility = Some("yard".to_owned());
    })
    .await;
    farm.fixture.frames("job", 1, |_| {}).await.unwrap();
    farm.clusters(1).await;
    assert!(!farm.handle.is_facility_gone());
    farm.db.run("UPDATE facility SET str_name = 'moved'").await;
    farm.handle.reload_now();
    until("the loss to be seen", async || {
        farm.handle.is_facility_gone()
    })
    .await;
    farm.clusters(0).await;
    farm.db.run("UPDATE facility SET str_name = 'yard'").await;
    farm.handle.reload_now();
    until("the return to be seen", async || {
        !farm.handle.is_facility_gone()
    })
    .await;
    farm.clusters(1).await;
    farm.end().await;
}
