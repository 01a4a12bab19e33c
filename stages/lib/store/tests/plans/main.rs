//! The cost of statements with statistics that are out of date: those of small tables that were filled since, and
//! those of full tables that were emptied. None may cost much more than with the statistics of the moment.
//!
//! Invariant: statistics are those that a test asks for; the server's own upkeep is kept away from the tables.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod cases;
mod growth;
mod session;

use cases::{Case, cases};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::Fixture;
use cue_store::{Store, StoreSettings};
use prometheus::Registry;
use session::{Session, arguments};

/// Jobs of the full farm, each with four layers of 25 frames.
const JOBS: u32 = 120;

/// Most that a statement may cost as a multiple of its cost with statistics of the moment.
const TIMES: i64 = 3;

/// Further cost that is allowed: a page for each frame of the farm. The plans to be found here read a table once for
/// each row of another: `lock_frames_indexed` without its index reads 240,000 pages.
const MORE: i64 = 100 * JOBS as i64;

/// Keeps one job in a hundred, and nothing that runs but some procs of those.
const EMPTY: &str = "
    SET LOCAL session_replication_role = replica;
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT pk_job FROM job ORDER BY pk_job LIMIT 3;
    DELETE FROM proc WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM frame WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM layer_limit WHERE pk_layer IN
        (SELECT pk_layer FROM layer WHERE pk_job NOT IN (SELECT pk_job FROM kept));
    DELETE FROM layer_stat WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM layer_resource WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM layer WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM job_stat WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM job_resource WHERE pk_job NOT IN (SELECT pk_job FROM kept);
    DELETE FROM job WHERE pk_job NOT IN (SELECT pk_job FROM kept)";

/// A farm with a store on it.
struct Farm {
    db: TestDb,
    fixture: Fixture,
    limit: String,
    cases: Vec<Case>,
}

impl Farm {
    async fn new(version: SchemaVersion) -> Self {
        let db = TestDb::at(version).await;
        let fixture = Fixture::new(&db.pool).await.unwrap();
        let limit = fixture.limit("licence", 1_000_000).await.unwrap();
        let settings = StoreSettings {
            pool: 1,
            ..StoreSettings::new(&db.url)
        };
        let store = Store::connect(&settings, &Registry::new()).await.unwrap();
        let features = store.features().await.unwrap();
        let indexed = version >= SchemaVersion::V51;
        let sent = |case: &Case| match case.statement.name {
            "lock_frames" => !indexed,
            "lock_frames_indexed" => indexed,
            _ => (case.statement.fits)(&features),
        };
        let farm = Self {
            db,
            fixture,
            limit,
            cases: cases().into_iter().filter(sent).collect(),
        };
        farm.db.run(
            "DO $$ DECLARE t regclass; BEGIN
                 FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
                     EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', t);
                 END LOOP;
             END $$",
        )
        .await;
        farm.db
            .run("UPDATE subscription SET int_size = 100000000, int_burst = 100000000")
            .await;
        farm
    }

    /// Adds hosts and jobs, and books batches of their frames.
    async fn fill(&self, name: &str, hosts: u32, jobs: u32, batches: u32) {
        for n in 0..hosts {
            let name = format!("{name}{n}");
            self.fixture.host(&name, |_| ()).await.unwrap();
        }
        for n in 0..jobs {
            let (name, tag) = (format!("{name}{n}"), &self.fixture.allocation.name);
            let job = self.fixture.job(&name, |job| {
                job.max_cores = 1_000_000;
                for layer in ["a", "b", "c", "d"] {
                    job.layer(layer, tag, |layer| {
                        layer.frames = 25;
                        layer
                            .limits
                            .extend((n % 4 == 0).then(|| self.limit.clone()));
                    });
                }
            });
            job.await.unwrap();
        }
        self.book(batches).await;
    }

    /// Books batches of the next waiting frames.
    async fn book(&self, batches: u32) {
        let mut session = Session::open(&self.db.url).await;
        let booking =
            |case: &&Case| ["start_frames", "charge_counters"].contains(&case.statement.name);
        let booking: Vec<Case> = self.cases.iter().filter(booking).copied().collect();
        for _ in 0..batches {
            let arguments = arguments(&self.db.pool, &booking).await;
            for case in &booking {
                session.execute(case, &arguments).await;
            }
        }
    }

    /// The cost of every statement that the store would send on this schema.
    async fn costs(&self) -> Vec<(&'static str, i64)> {
        let arguments = arguments(&self.db.pool, &self.cases).await;
        let mut session = Session::open(&self.db.url).await;
        let mut costs = Vec::new();
        for case in &self.cases {
            let cost = session.cost(case, &arguments).await;
            costs.push((case.statement.name, cost));
        }
        costs
    }

    /// Statements that cost more now than with statistics of the moment.
    async fn worse(&self, state: &str) -> Vec<String> {
        let stale = self.costs().await;
        self.db.run("VACUUM ANALYZE").await;
        let fresh = self.costs().await;
        let both = stale.into_iter().zip(fresh);
        let both = both.inspect(|((name, stale), (_, fresh))| {
            println!("{state}: {name}: {stale}, analyzed {fresh}")
        });
        let worse = both.filter(|((_, stale), (_, fresh))| *stale > TIMES * fresh + MORE);
        worse
            .map(|((name, stale), (_, fresh))| {
                format!("{state}: {name}: {stale}, analyzed {fresh}")
            })
            .collect()
    }
}

async fn plans_bear_old_statistics(version: SchemaVersion) {
    let farm = Farm::new(version).await;
    farm.fill("few", 2, 2, 1).await;
    let mut worse = farm.worse("never analyzed").await;
    farm.fill("many", 100, JOBS, 6).await;
    worse.extend(farm.worse("filled").await);
    farm.db.run(EMPTY).await;
    worse.extend(farm.worse("emptied").await);
    assert!(worse.is_empty(), "{version}:\n{}", worse.join("\n"));
}

#[tokio::test]
async fn plans_bear_statistics_of_other_tables() {
    plans_bear_old_statistics(SchemaVersion::V47).await;
}

#[tokio::test]
async fn plans_bear_statistics_of_other_tables_in_the_newest_schema() {
    plans_bear_old_statistics(SchemaVersion::V51).await;
}
