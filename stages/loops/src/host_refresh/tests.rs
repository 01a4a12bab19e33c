//! Hosts read from a real database: what frees comes back soon, tags follow, lost leases are logged.

use std::io::Write;
use std::sync::Arc;

use cue_check_in::CheckInMetrics;
use cue_domain::fit::FitRules;
use cue_domain::messages::HostLease;
use cue_domain::{AllocId, Centicores, FacilityId, Kib, Layer, LayerId, Tag};
use cue_flow::{Family, Flow, Meters};
use cue_hosts::{HostRequest, IndexSettings};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;
use cue_store::StoreSettings;
use prometheus::{IntCounterVec, Registry};

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
            pool: 3,
            ..StoreSettings::new(&db.url)
        };
        Self {
            fixture,
            hosts: HostIndex::new(index),
            store: Store::connect(&settings, &Registry::new()).await.unwrap(),
            db,
        }
    }

    fn refresh(&self, every: Duration) -> HostRefresh {
        self.refresh_on(&Registry::new(), every)
    }

    fn refresh_on(&self, registry: &Registry, every: Duration) -> HostRefresh {
        let family = |name| IntCounterVec::declare(registry, name, name, &["what"]).unwrap();
        let settings = HostRefreshSettings {
            facility: None,
            every,
            stale_after: None,
        };
        let returns = CheckInMetrics::new(family("wasted"), family("checkouts"));
        let metrics = HostMetrics::new(registry, returns).unwrap();
        let missing = MissingRoom::new(Duration::from_secs(5), Duration::from_secs(300));
        let to = (self.hosts.clone(), Arc::default(), Arc::new(missing));
        HostRefresh::new(self.store.clone(), to, settings, metrics)
    }

    /// Takes a host with this tag for a frame of one core.
    fn take(&self, tag: &str) -> Option<HostLease> {
        let layer = Layer {
            id: LayerId::from("l"),
            name: "layer".into(),
            dispatch_order: 1,
            cores_min: Centicores::CORE,
            memory_min: Kib::GIB,
            tags: [Tag::from(tag)].into(),
            waiting: 1,
            ..Layer::default()
        };
        let alloc = AllocId::from(self.fixture.allocation.id.clone());
        let want = HostRequest {
            facility: &FacilityId::from(self.fixture.facility.id.clone()),
            tags: &layer.tags.clone(),
            subscriptions: &[(alloc, Centicores::cores(100))],
            os: None,
            layer: &layer,
            rules: &FitRules::default(),
            job_remaining: None,
        };
        let taken = self.hosts.take(&want, |_| true);
        taken.map(|(lease, _)| lease)
    }

    async fn end(self) {
        self.store.close().await;
        self.db.close().await.unwrap();
    }
}

#[tokio::test]
async fn freed_cores_can_be_taken_once_the_hosts_have_been_read_again() {
    let yard = Yard::new(IndexSettings::default()).await;
    yard.db.run("UPDATE host SET int_cores_idle = 0").await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    let registry = Registry::new();
    let mut flow = Flow::new(Meters::new(&registry).unwrap());
    flow.tick(refresh);
    assert!(yard.take("general").is_none());
    yard.db.run("UPDATE host SET int_cores_idle = 100").await;
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

#[tokio::test]
async fn looks_see_what_is_freed_and_what_is_locked_and_a_complete_reading_what_is_deleted() {
    let yard = Yard::new(IndexSettings::default()).await;
    let refresh = yard.refresh(Duration::from_millis(100));
    refresh.once().await.unwrap();
    // None is complete from here on.
    let complete_at = Instant::now() + Duration::from_secs(3_600);
    refresh.reading.lock().complete_at = Some(complete_at);
    let idle = |yard: &Yard| yard.hosts.idle_hosts().first().map(|host| host.idle.cores);
    for cores in [0, 700, 300, 3_200] {
        let sql = "UPDATE host SET int_cores_idle = $1";
        let update = sqlx::query(sql).bind(cores).execute(&yard.db.pool);
        update.await.unwrap();
        refresh.once().await.unwrap();
        let expected = (cores > 0).then_some(Centicores(cores));
        assert_eq!(idle(&yard), expected);
    }
    yard.db
        .run("UPDATE host_stat SET int_mem_free = 1048576")
        .await;
    refresh.once().await.unwrap();
    assert!(yard.hosts.idle_hosts()[0].idle.memory <= Kib::GIB);
    for (change, hosts) in [
        ("UPDATE host SET str_lock_state = 'LOCKED'", 0),
        ("UPDATE host SET str_lock_state = 'OPEN'", 1),
        ("UPDATE host_stat SET str_state = 'DOWN'", 0),
        ("UPDATE host_stat SET str_state = 'UP'", 1),
        ("DELETE FROM host_tag; DELETE FROM host_stat", 1),
    ] {
        yard.db.run(change).await;
        refresh.once().await.unwrap();
        assert_eq!(yard.hosts.len(), hosts, "{change}");
    }
    assert_eq!(refresh.reading.lock().complete_at, Some(complete_at));
    refresh.reading.lock().complete_at = None;
    refresh.once().await.unwrap();
    assert!(yard.hosts.is_empty());
    yard.end().await;
}

#[tokio::test]
async fn a_host_without_tags_does_not_have_all_tags_read_each_time() {
    let yard = Yard::new(IndexSettings::default()).await;
    yard.db.run("DELETE FROM host_tag").await;
    let refresh = yard.refresh(Duration::from_millis(500));
    refresh.once().await.unwrap();
    let read_at = || refresh.reading.lock().complete_at;
    let first = read_at();
    refresh.once().await.unwrap();
    assert_eq!(read_at(), first);
    yard.end().await;
}

#[tokio::test]
async fn leases_that_were_dropped_count_as_abandoned() {
    let yard = Yard::new(IndexSettings::default()).await;
    let registry = Registry::new();
    let refresh = yard.refresh_on(&registry, Duration::from_millis(500));
    refresh.once().await.unwrap();
    for _ in 0..5 {
        drop(yard.take("general").unwrap());
    }
    refresh.sweep(Instant::now());
    let text = prometheus::TextEncoder::new();
    let text = text.encode_to_string(&registry.gather()).unwrap();
    for line in [
        "wasted{what=\"abandoned\"} 5",
        "checkouts{what=\"dispatch_error\"} 5",
    ] {
        assert!(text.contains(line), "{text}");
    }
    yard.end().await;
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(text);
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
    let log = tracing::subscriber::with_default(subscriber.finish(), || {
        let lent = Instant::now();
        refresh.sweep(lent);
        refresh.sweep(lent + Duration::from_secs(299));
        assert!(yard.take("general").is_none());
        refresh.sweep(lent + Duration::from_secs(300));
        log.0.lock().clone()
    });
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("ERROR"), "{log}");
    assert_eq!(log.matches("never checked in").count(), 1, "{log}");
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
        let log = String::from_utf8(log.0.lock().clone()).unwrap();
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
        yard.db.run(change).await;
        for _ in 0..3 {
            refresh.once().await.unwrap();
        }
        assert_eq!(lines(), logged, "{change}");
    }
    assert!(yard.hosts.is_empty());
    let left_out = (0..100).map(|n| LeftOut {
        host: format!("h{n:03}"),
        reason: "bad".to_owned(),
    });
    refresh.report_left_out(&HostRows {
        complete: true,
        left_out: left_out.collect(),
        ..HostRows::default()
    });
    assert_eq!(lines(), 3 + LEFT_OUT_LINES);
    yard.end().await;
}
