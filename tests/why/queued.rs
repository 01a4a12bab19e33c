//! Policy that serves others first: shares of shows, the order inside a show, and trials of layers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cue_demand::DemandIndex;
use cue_dispatch::Refusals;
use cue_domain::backoff::Backoffs;
use cue_domain::why::{OrderFacts, Queued, Why};
use cue_domain::{BookingHealth, Centicores};
use cue_hosts::{HostIndex, IndexSettings};
use cue_loops::Pauses;
use cue_scheduler::config::{self, wiring};
use cue_scheduler::why::{Explainer, Seen};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;
use cue_store::{DemandCursor, Store};
use prometheus::Registry;
use serde_json::Value;

use crate::world::{change, farm, service};

/// Rows of a second show. Parameters: the show, the department, and the allocation of the farm.
const SHOW: [&str; 4] = [
    "INSERT INTO show (pk_show, str_name, b_scheduler_managed) VALUES ($1, 'beta', true)",
    "INSERT INTO show_stats (pk_show) VALUES ($1)",
    "INSERT INTO folder (pk_folder, pk_show, str_name, pk_dept) VALUES ($1, $1, 'beta', $2)",
    "INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst) VALUES ($1, $1, $3, 10000, 20000)",
];

async fn second_show(db: &TestDb, farm: &Fixture) {
    for statement in SHOW {
        // Parameters that a statement does not use must still have a type.
        let typed = "WITH unused AS (SELECT $1::text, $2::text, $3::text)";
        sqlx::query(sqlx::AssertSqlSafe(format!("{typed} {statement}")))
            .bind("beta")
            .bind(&farm.dept)
            .bind(&farm.allocation.id)
            .execute(&db.pool)
            .await
            .unwrap();
    }
    for job in ["urgent", "later"] {
        let launched = farm.job(job, |spec| {
            (spec.place.show, spec.place.folder) = ("beta".to_owned(), "beta".to_owned());
            spec.place.show_name = "beta".to_owned();
            spec.priority = if job == "urgent" { 9 } else { 1 };
            let tags = &farm.allocation.name;
            spec.layer("render", tags, |layer| layer.frames = 100);
        });
        launched.await.unwrap();
    }
}

/// The indexes of a pipeline that has read the rows and has booked nothing.
async fn explainer(db: &TestDb) -> (Explainer, Store) {
    let environment = BTreeMap::from([
        ("CUE_DATABASE_URL".to_owned(), db.url.clone()),
        ("CUE_ORDER".to_owned(), "priority".to_owned()),
    ]);
    let settings = config::load(None, &environment, &[]).settings.unwrap();
    let store = Store::connect(&wiring::store(&settings), &Registry::new())
        .await
        .unwrap();
    let demand = DemandIndex::new(Vec::new());
    let reading = demand.begin_reading();
    let (rows, _) = store
        .demand(None, &DemandCursor::default(), true)
        .await
        .unwrap();
    assert!(!demand.apply(reading, rows));
    let hosts = HostIndex::new(IndexSettings::default());
    let mark = hosts.mark();
    let snapshot = store.host_snapshot(None, None).await.unwrap();
    hosts.apply(mark, snapshot.hosts);
    let second = Duration::from_secs(1);
    let seen = Seen {
        layers: Arc::new(Backoffs::new(second, second)),
        hosts,
        refusals: Refusals::default(),
        health: BookingHealth::default(),
        pauses: Pauses::new(store.clone(), demand.clone(), &Registry::new()).unwrap(),
        farm: cue_loops::Latest::default(),
        closed: cue_loops::Latest::default(),
        demand,
    };
    (Explainer::new(store.clone(), &settings, Some(seen)), store)
}

#[tokio::test]
async fn shares_of_shows_and_the_order_inside_a_show_are_reasons_with_numbers() {
    let (db, farm) = farm().await;
    farm.frames("shot", 5, |_| {}).await.unwrap();
    second_show(&db, &farm).await;
    let held = "UPDATE subscription SET int_cores = 15000 WHERE pk_show = $1";
    change(&db, held, &farm.show.id).await;
    let (explainer, store) = explainer(&db).await;

    let share = explainer.ask("shot").await.unwrap().unwrap();
    let Why::Queued(Queued::Share(facts)) = &share.why else {
        panic!("{share:?}");
    };
    assert_eq!(share.why.reason().code(), "share");
    assert_eq!(facts.idle, Centicores::cores(32));
    assert_eq!(facts.own.entitled, Centicores(0));
    assert_eq!(facts.first[0].entitled, Centicores::cores(32));
    assert_eq!(
        share.sentence,
        "job shot waits because its show has its share of allocation yard.general: show alpha (size 100, in use 150, \
         tier 1.50); the 32 idle cores there go to show beta (size 100, in use 0, tier -10000.00)."
    );

    let order = explainer.ask("later").await.unwrap().unwrap();
    let expected = OrderFacts {
        entitled: Centicores::cores(32),
        first: "urgent/render".to_owned(),
        layers: 1,
        jobs: 1,
    };
    assert_eq!(order.why, Why::Queued(Queued::Order(expected)));
    let first = explainer.ask("urgent").await.unwrap().unwrap();
    assert_eq!(first.why.reason().code(), "can_run");
    store.close().await;
}

#[tokio::test]
async fn a_running_service_knows_that_a_layer_is_in_its_trial() {
    let (db, farm) = farm().await;
    let many = farm.frames("shot", 100, |layer| layer.threadable = true);
    many.await.unwrap();
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let mut answer = Value::Null;
    until("the trial to be full", async || {
        let asked = cue_scheduler::client::get(&address, "/why/shot").await;
        answer = serde_json::from_str(&asked.unwrap().body).unwrap();
        answer["code"] == "trial"
    })
    .await;
    assert_eq!(answer["queued"]["most"], 8);
    assert_eq!(answer["queued"]["running"], 8);
    assert_eq!(answer["fault"], Value::Null);
}
