//! The feed on a real database: who gets turns, and how soon it follows a change of the farm.

use std::num::NonZeroUsize;

use cue_domain::ClusterKey;
use cue_flow::{Flow, Meters, Never, Stage, Verdict};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;
use cue_store::{BookingRules, BreakerSettings, StoreSettings};
use prometheus::Registry;
use tokio::sync::mpsc;

use super::*;
use crate::clusters::ClusterRules;

mod ends;
mod waits;

pub(crate) async fn store(url: &str) -> Store {
    let settings = StoreSettings {
        url: url.to_owned(),
        pool: 4,
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        lock_timeout: Duration::from_secs(5),
        application_name: "cue-feed-tests".to_owned(),
        booking: BookingRules::default(),
        breaker: BreakerSettings::default(),
    };
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
    type Out = Never;

    async fn handle(&self, turn: Turn, _out: &Outlet<Never>) -> Verdict {
        if self.finds {
            turn.ticket.found(1, 1);
        }
        self.turns.send(turn.cluster.key.clone()).await.unwrap();
        Verdict::Done
    }
}

struct Farm {
    fixture: Fixture,
    flow: Flow,
    handle: FeedHandle,
    book: TurnBook,
    turns: mpsc::Receiver<ClusterKey>,
    store: Store,
    registry: Registry,
    db: TestDb,
}

impl Farm {
    /// A farm with one host and no work, a feed, and a scan every so often.
    async fn start(scan: Duration, change: impl FnOnce(&mut FeedSettings)) -> Self {
        let db = TestDb::fresh().await;
        let fixture = Fixture::new(&db.pool).await.unwrap();
        fixture.host("h1", |_| {}).await.unwrap();
        let store = store(&db.url).await;
        let mut settings = FeedSettings {
            facility: None,
            rules: ClusterRules {
                ignore_tags: Vec::new(),
                manual_chunk: NonZeroUsize::MIN,
                hostname_chunk: NonZeroUsize::MIN,
            },
            reload: Duration::from_secs(3600),
            empty_rest: Duration::from_secs(3600),
            saturated_rest: Duration::from_secs(3600),
            scan,
            productivity_bias: true,
            exit_when_idle: None,
            replica: "test".to_owned(),
        };
        change(&mut settings);
        let registry = Registry::new();
        let metrics = FeedMetrics::new(&registry).unwrap();
        let feed = ClusterFeed::new(store.clone(), settings, metrics);
        let (handle, book, scan) = (feed.handle(), feed.book(), feed.scan());
        let one = NonZeroUsize::MIN;
        let (sender, turns) = mpsc::channel(64);
        let mut flow = Flow::new(Meters::new(&registry).unwrap());
        let (out, inlet) = flow.edge("taker", one);
        let taker = Taker {
            turns: sender,
            finds: true,
        };
        flow.stage(taker, one, inlet, Flow::last_outlet());
        scan.once().await.unwrap();
        flow.source(feed, out);
        flow.tick(scan);
        Self {
            fixture,
            flow,
            handle,
            book,
            turns,
            store,
            registry,
            db,
        }
    }

    /// The next turn, which must come soon.
    async fn turn(&mut self) -> ClusterKey {
        let turn = tokio::time::timeout(Duration::from_secs(10), self.turns.recv());
        turn.await.expect("a turn within ten seconds").unwrap()
    }

    /// Waits until the book has so many clusters.
    async fn clusters(&self, wanted: usize) {
        until("the clusters to be read", async || {
            self.book.status().len() == wanted
        })
        .await;
    }

    async fn run(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.db.pool).await.unwrap();
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

fn tags(key: &ClusterKey) -> Vec<&str> {
    key.tags.iter().map(cue_domain::Tag::as_str).collect()
}

#[tokio::test]
async fn a_job_launched_into_an_idle_farm_gets_a_turn_within_one_scan() {
    let mut farm = Farm::start(Duration::from_millis(250), |_| {}).await;
    farm.clusters(2).await;
    assert!(farm.turns.try_recv().is_err(), "idle clusters get no turn");
    let job = farm.fixture.frames("job", 3, |_| {}).await.unwrap();
    // All else rests for an hour, so only a scan can bring this turn.
    let turn = farm.turn().await;
    assert_eq!(tags(&turn), ["general"], "{job:?}");
    farm.end().await;
}

#[tokio::test]
async fn idle_clusters_cost_no_turn() {
    let mut farm = Farm::start(Duration::from_millis(1), |settings| {
        settings.empty_rest = Duration::from_millis(1);
        settings.saturated_rest = Duration::from_millis(1);
    })
    .await;
    farm.clusters(2).await;
    farm.fixture.frames("job", 3, |_| {}).await.unwrap();
    for _ in 0..20 {
        // The cluster of the host's name has no work and never gets a turn.
        assert_eq!(tags(&farm.turn().await), ["general"]);
    }
    let text = prometheus::TextEncoder::new();
    let text = text.encode_to_string(&farm.registry.gather()).unwrap();
    for line in [
        "scheduler_active_tags 1",
        "scheduler_clusters_active 1",
        "scheduler_clusters_total{cluster_type=\"hostname\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    farm.end().await;
}

#[tokio::test]
async fn a_reload_on_demand_finds_new_tags_and_subscriptions_and_shows_handed_over() {
    let mut farm = Farm::start(Duration::from_millis(20), |_| {}).await;
    farm.clusters(2).await;
    farm.run(
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
              SELECT 'new', pk_host, 'fast', 'MANUAL' FROM host",
    )
    .await;
    farm.handle.reload_now();
    farm.clusters(3).await;

    let allocation = farm.fixture.allocation("cloud", 1000, 2000).await.unwrap();
    let alloc = allocation.id.clone();
    farm.fixture
        .host("h2", move |host| {
            host.allocation = alloc;
            host.tags = vec![("cloud".to_owned(), "ALLOC")];
        })
        .await
        .unwrap();
    farm.handle.reload_now();
    farm.clusters(4).await;
    let on_cloud = farm
        .fixture
        .frames("on cloud", 1, |layer| layer.tags = "cloud".to_owned());
    on_cloud.await.unwrap();
    assert_eq!(tags(&farm.turn().await), ["cloud"]);

    farm.run("UPDATE show SET b_scheduler_managed = false")
        .await;
    farm.handle.reload_now();
    farm.clusters(0).await;
    farm.run("UPDATE show SET b_scheduler_managed = true").await;
    farm.handle.reload_now();
    farm.clusters(4).await;
    assert_eq!(tags(&farm.turn().await), ["cloud"], "it has work still");
    farm.end().await;
}

#[tokio::test]
async fn the_set_of_clusters_is_read_again_on_an_interval_too() {
    let farm = Farm::start(Duration::from_millis(20), |settings| {
        settings.reload = Duration::from_millis(20);
    })
    .await;
    farm.clusters(2).await;
    farm.run("UPDATE show SET b_scheduler_managed = false")
        .await;
    farm.clusters(0).await;
    farm.run("UPDATE show SET b_scheduler_managed = true").await;
    farm.clusters(2).await;
    farm.end().await;
}
