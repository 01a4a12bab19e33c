//! Hosts read from a real database: what frees comes back soon, tags follow, lost leases are told.

use std::io::Write;
use std::sync::Arc;

use cue_domain::fit::FitRules;
use cue_domain::messages::{HostLease, Returned};
use cue_domain::{AllocId, Centicores, FacilityId, Kib, Layer, LayerId, Tag};
use cue_flow::{Flow, Meters};
use cue_hosts::{IndexSettings, Want};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;
use cue_store::{BookingRules, BreakerSettings, StoreSettings};
use prometheus::{IntCounterVec, Opts, Registry};

use super::*;

struct Yard {
    fixture: Fixture,
    hosts: HostIndex,
    store: Store,
    db: TestDb,
}

impl Yard {
    /// A farm with one host of 32 cores.
    async fn new(index: IndexSettings) -> Self {
        let db = TestDb::fresh().await;
        let fixture = Fixture::new(&db.pool).await.unwrap();
        fixture.host("h1", |_| {}).await.unwrap();
        let settings = StoreSettings {
            url: db.url.clone(),
            pool: 3,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            lock_timeout: Duration::from_secs(5),
            application_name: "cue-check-in-tests".to_owned(),
            booking: BookingRules::default(),
            breaker: BreakerSettings::default(),
        };
        Self {
            fixture,
            hosts: HostIndex::new(index),
            store: Store::connect(&settings, &Registry::new()).await.unwrap(),
            db,
        }
    }

    fn refresh(&self, every: Duration) -> Refresh {
        let family = |name| IntCounterVec::new(Opts::new(name, name), &["what"]).unwrap();
        let settings = RefreshSettings {
            facility: None,
            every,
            stale_after: None,
        };
        let metrics =
            CheckInMetrics::new(&Registry::new(), family("wasted"), family("checkouts")).unwrap();
        let missing = MissingRoom::new(Duration::from_secs(5), Duration::from_secs(300));
        let (store, hosts) = (self.store.clone(), self.hosts.clone());
        Refresh::new(store, hosts, settings, metrics, Arc::new(missing))
    }

    /// Takes a host with this tag for a frame of one core.
    fn take(&self, tag: &str) -> Option<HostLease> {
        let layer = Layer {
            id: LayerId::from("l"),
            name: "layer".into(),
            dispatch_order: 1,
            cores_min: Centicores::CORE,
            cores_max: None,
            memory_min: Kib::GIB,
            gpus_min: 0,
            gpu_memory_min: Kib(0),
            threadable: false,
            services: [].into(),
            tags: [Tag::from(tag)].into(),
            waiting: 1,
        };
        let alloc = AllocId::from(self.fixture.allocation.id.clone());
        let want = Want {
            facility: &FacilityId::from(self.fixture.facility.id.clone()),
            tags: &layer.tags.clone(),
            subscriptions: &[(alloc, Centicores::cores(100))],
            os: None,
            layer: &layer,
        };
        self.hosts.take(&want, &FitRules::default(), None)
    }

    async fn run(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.db.pool).await.unwrap();
    }

    async fn end(self) {
        self.store.close().await;
        self.db.close().await.unwrap();
    }
}

#[tokio::test]
async fn freed_cores_can_be_taken_once_the_hosts_have_been_read_again() {
    let yard = Yard::new(IndexSettings::default()).await;
    yard.run("UPDATE host SET int_cores_idle = 0").await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    let registry = Registry::new();
    let mut flow = Flow::new(Meters::new(&registry).unwrap());
    flow.tick(refresh);
    assert!(yard.take("general").is_none());
    yard.run("UPDATE host SET int_cores_idle = 100").await;
    until("the cores to be taken", async || {
        yard.take("general").is_some()
    })
    .await;
    flow.drain(Duration::from_secs(1)).await;
    yard.end().await;
}

#[tokio::test]
async fn a_new_host_has_its_tags_at_once() {
    let yard = Yard::new(IndexSettings::default()).await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    assert!(yard.take("fast").is_none());
    let tagged = yard.fixture.host("h2", |host| {
        host.tags = vec![("fast".to_owned(), "MANUAL")];
    });
    tagged.await.unwrap();
    refresh.once().await.unwrap();
    assert_eq!(&*yard.take("fast").unwrap().name, "h2");
    yard.end().await;
}

#[test]
fn reading_takes_a_tenth_of_the_time_and_more_only_to_keep_freed_cores_younger_than_a_second() {
    let ms = Duration::from_millis;
    let after = |took| pause(ms(500), ms(took));
    assert_eq!(after(10), ms(500), "as often as it is set");
    assert_eq!(after(80), ms(720), "a tenth");
    assert_eq!(after(150), ms(700), "in time");
    assert_eq!(after(250), ms(500));
    assert_eq!(after(2_000), ms(2_000), "never more than half");
    for took in 1..=250 {
        let age = ms(took) + after(took) + ms(took);
        assert!(age <= ms(1_000), "{took} ms: {age:?}");
    }
}

#[tokio::test]
async fn a_host_without_tags_does_not_have_all_tags_read_each_time() {
    let yard = Yard::new(IndexSettings::default()).await;
    yard.run("DELETE FROM host_tag").await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    let read_at = || refresh.tags.lock().unwrap().as_ref().unwrap().0;
    let first = read_at();
    refresh.once().await.unwrap();
    assert_eq!(read_at(), first);
    yard.end().await;
}

#[tokio::test]
async fn a_host_tried_in_vain_is_counted_with_its_reason() {
    let yard = Yard::new(IndexSettings::default()).await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    for (booked, launch_failures) in [(0, 0), (2, 2), (2, 1), (1, 0)] {
        let lease = yard.take("general").unwrap();
        refresh.metrics.returned(&Returned {
            lease,
            idle: None,
            placed: 2,
            booked,
            launch_failures,
            backoff: None,
        });
    }
    refresh.sweep(Instant::now());
    let of = |reason| refresh.metrics.wasted.count(reason);
    assert_eq!(
        ["not_booked", "launch_failed", "abandoned"].map(of),
        [1, 1, 4],
        "every lease above was dropped"
    );
    let of = |outcome| refresh.metrics.checkouts.count(outcome);
    assert_eq!(
        ["booked", "partly_booked", "no_progress", "dispatch_error"].map(of),
        [2, 1, 1, 4]
    );
    yard.end().await;
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lease_that_leaked_is_taken_back_after_five_minutes_and_the_log_says_so() {
    let yard = Yard::new(IndexSettings::default()).await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    std::mem::forget(yard.take("general").unwrap());
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let told = tracing::subscriber::with_default(subscriber.finish(), || {
        let lent = Instant::now();
        refresh.sweep(lent);
        refresh.sweep(lent + Duration::from_secs(299));
        assert!(yard.take("general").is_none());
        refresh.sweep(lent + Duration::from_secs(300));
        log.0.lock().unwrap().clone()
    });
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("ERROR"), "{told}");
    assert_eq!(told.matches("never checked in").count(), 1, "{told}");
    assert!(yard.take("general").is_some());
    yard.end().await;
}

#[tokio::test]
async fn a_host_that_is_left_out_is_logged_once_for_each_change_of_its_row() {
    let yard = Yard::new(IndexSettings::default()).await;
    let refresh = yard.refresh(Duration::from_millis(500));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _scope = tracing::subscriber::set_default(subscriber.finish());
    let lines = || {
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        log.matches("host is left out").count()
    };
    let wrong = "UPDATE host SET int_thread_mode = 9";
    let right = "UPDATE host SET int_thread_mode = 0";
    for (change, logged) in [
        (wrong, 1),
        ("SELECT 1", 1),
        ("UPDATE host SET int_thread_mode = -3", 2),
        (right, 2),
        (wrong, 3),
    ] {
        yard.run(change).await;
        for _ in 0..3 {
            refresh.once().await.unwrap();
        }
        assert_eq!(lines(), logged, "{change}");
    }
    assert!(yard.hosts.is_empty());
    let many = (0..100).map(|n| LeftOut {
        host: format!("h{n:03}"),
        reason: "bad".to_owned(),
    });
    refresh.report_left_out(many.collect());
    assert_eq!(lines(), 3 + LEFT_OUT_LINES);
    yard.end().await;
}
