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
async fn new_tags_and_subscriptions_and_shows_handed_over_are_seen_without_being_told() {
    let mut farm = Farm::start(Duration::from_millis(20), |_| {}).await;
    farm.clusters(2).await;
    farm.run(
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
              SELECT 'new', pk_host, 'fast', 'MANUAL' FROM host",
    )
    .await;
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
    farm.clusters(4).await;
    let on_cloud = farm
        .fixture
        .frames("on cloud", 1, |layer| layer.tags = "cloud".to_owned());
    on_cloud.await.unwrap();
    assert_eq!(tags(&farm.turn().await), ["cloud"]);

    farm.run("UPDATE show SET b_scheduler_managed = false")
        .await;
    farm.clusters(0).await;
    farm.run("UPDATE show SET b_scheduler_managed = true").await;
    farm.clusters(4).await;
    assert_eq!(tags(&farm.turn().await), ["cloud"], "it has work still");
    farm.end().await;
}

#[tokio::test]
async fn the_set_of_clusters_is_read_again_on_an_interval_too() {
    // After the first scan nobody looks for changes.
    let farm = Farm::start(Duration::from_secs(3600), |settings| {
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

#[tokio::test]
async fn the_mark_changes_with_whatever_makes_clusters_and_with_nothing_else() {
    let farm = Farm::start(Duration::from_secs(3600), |_| {}).await;
    let mark = async || farm.store.cluster_mark(Some("yard")).await.unwrap();
    let mut before = mark().await;
    assert_eq!(before, mark().await, "nothing has changed");
    for change in [
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
         SELECT 'new', pk_host, 'fast', 'MANUAL' FROM host",
        "UPDATE host_tag SET str_tag_type = 'HARDWARE' WHERE pk_host_tag = 'new'",
        "UPDATE host_tag SET str_tag_type = 'HOSTNAME' WHERE pk_host_tag = 'new'",
        "UPDATE host_tag SET str_tag = 'fats' WHERE pk_host_tag = 'new'",
        "DELETE FROM host_tag WHERE pk_host_tag = 'new'",
        "UPDATE show SET str_name = 'renamed'",
        "UPDATE show SET b_scheduler_managed = false",
        "UPDATE show SET b_scheduler_managed = true",
        "UPDATE show SET b_active = false",
        "UPDATE show SET b_active = true",
        "UPDATE alloc SET str_tag = 'other'",
        "INSERT INTO alloc (pk_alloc, str_name, str_tag, pk_facility)
         SELECT 'a', 'yard.a', 'a', pk_facility FROM facility",
        "INSERT INTO subscription (pk_subscription, pk_show, pk_alloc) SELECT 's', pk_show, 'a' FROM show",
        "UPDATE host SET pk_alloc = 'a'",
        "DELETE FROM subscription WHERE pk_subscription = 's'",
        "UPDATE facility SET str_name = 'moved'",
    ] {
        farm.run(change).await;
        let after = mark().await;
        assert_ne!(before.mark, after.mark, "{change}");
        assert_eq!(after.facility_known, !change.contains("moved"));
        before = after;
    }
    // Bookings and reports change nothing here, all day.
    for change in [
        "UPDATE subscription SET int_cores = 7",
        "UPDATE host SET int_cores_idle = 7",
        "UPDATE host_stat SET ts_ping = clock_timestamp()",
    ] {
        farm.run(change).await;
        assert_eq!(before, mark().await, "{change}");
    }
    farm.end().await;
}

#[tokio::test]
async fn a_facility_that_goes_and_comes_back_is_noticed() {
    let farm = Farm::start(Duration::from_millis(20), |settings| {
        settings.facility = Some("yard".to_owned());
    })
    .await;
    farm.clusters(2).await;
    assert!(!farm.handle.is_facility_gone());
    farm.run("UPDATE facility SET str_name = 'moved'").await;
    until("the loss to be seen", async || {
        farm.handle.is_facility_gone()
    })
    .await;
    farm.clusters(0).await;
    farm.run("UPDATE facility SET str_name = 'yard'").await;
    until("the return to be seen", async || {
        !farm.handle.is_facility_gone()
    })
    .await;
    farm.clusters(2).await;
    farm.end().await;
}
