//! The farm of these tests: three jobs on a host each, and the steps of a turn.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use cue_domain::fit::FitRules;
use cue_domain::why::{Scheduler, why};
use cue_domain::{Booking, BookingHost, BookingLayer, Cluster, ClusterKey, LayerId, admit};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, Launched, LaunchedLayer, LayerSpec};
use cue_store::{
    Booked, DemandCursor, ErrorClass, LockedRow, OpenBooking, Store, StoreError, Unlaunched,
};
use sqlx::{AssertSqlSafe, PgPool};

use crate::yard::{Place, booking, refs, store, unlaunched};

/// Another show, with an allocation of its own. Its ids are its names.
const BETA: &str = "
    INSERT INTO show (pk_show, str_name, b_scheduler_managed) VALUES ('beta', 'beta', true);
    INSERT INTO show_stats (pk_show) VALUES ('beta');
    INSERT INTO alloc (pk_alloc, str_name, str_tag, pk_facility)
        SELECT 'tried', 'yard.tried', 'tried', pk_facility FROM facility WHERE str_name = 'yard';
    INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst)
        VALUES ('beta', 'beta', 'tried', 100, 10000);
    INSERT INTO folder (pk_folder, pk_show, str_name, pk_dept) SELECT 'beta', 'beta', 'beta', pk_dept FROM point;
    INSERT INTO point (pk_point, pk_dept, pk_show) SELECT 'beta', pk_dept, 'beta' FROM point;
";

/// The farm and a store on it.
pub struct World {
    pub db: TestDb,
    pub farm: Fixture,
    pub store: Store,
    /// The job that is tried, one of the same show, and one of another show.
    pub jobs: [Launched; 3],
    pub hosts: [Place; 3],
    pub running: Launched,
}

pub async fn run(pool: &PgPool, sql: String) -> Result<u64, sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
    Ok(done.rows_affected())
}

impl World {
    /// The farm in an empty database of the newest schema.
    pub async fn open(db: TestDb) -> Self {
        let farm = Fixture::new(&db.pool).await.unwrap();
        run(&db.pool, BETA.to_owned()).await.unwrap();
        let limit = farm.limit("victim", 100).await.unwrap();
        let usage = format!(
            "INSERT INTO limit_usage (pk_limit_record) VALUES ('{limit}') ON CONFLICT DO NOTHING;
             UPDATE limit_record SET ts_reported = now() WHERE pk_limit_record = '{limit}';
             INSERT INTO limit_host (pk_limit_host, pk_limit_record, str_host_name, str_reported_name, str_user)
                 VALUES ('held', '{limit}', 'desk', 'desk', 'victim')"
        );
        run(&db.pool, usage).await.unwrap();
        let host = async |name: &str, tried: bool| {
            let host = farm.host(name, |spec| {
                if tried {
                    spec.allocation = "tried".to_owned();
                    spec.tags = vec![("tried".to_owned(), "ALLOC"), (name.to_owned(), "HOSTNAME")];
                }
            });
            let id = host.await.unwrap();
            Place {
                id,
                name: name.to_owned(),
            }
        };
        let job = async |name: &str, tried: bool, limits: &[String]| {
            let tag = if tried { "tried" } else { "general" };
            let job = farm.job(name, |job| {
                if tried {
                    (job.place.show, job.place.show_name) = ("beta".to_owned(), "beta".to_owned());
                    job.place.folder = "beta".to_owned();
                }
                job.env = vec![("A".to_owned(), "1".to_owned())];
                // Two layers, so that sums are tried too.
                for layer in ["a", "b"] {
                    let mut layer = LayerSpec::new(layer, tag);
                    layer.frames = 2;
                    layer.limits = limits.to_vec();
                    layer.env = vec![("A".to_owned(), "1".to_owned())];
                    job.layers.push(layer);
                }
            });
            job.await.unwrap()
        };
        let limits = [limit];
        let hosts = [
            host("victim", true).await,
            host("beside", true).await,
            host("sound", false).await,
        ];
        let jobs = [
            job("victim", true, &limits).await,
            job("beside", true, &[]).await,
            job("sound", false, &[]).await,
        ];
        let running = job("running", true, &limits).await;
        let store = store(&db, 4).await;
        let world = Self {
            db,
            farm,
            store,
            jobs,
            hosts,
            running,
        };
        let booked = world
            .book(&[(&world.running, &world.hosts[0])])
            .await
            .unwrap();
        assert_eq!(booked.len(), 4);
        world
    }

    fn rows(&self, (job, host): (&Launched, &Place), locked: &[LockedRow]) -> Vec<Booking> {
        let place = self.farm.place();
        let general = host.name == "sound";
        let own = |ours: &str, other: &str| (if general { ours } else { other }).to_owned();
        let of_job = |row: &&LockedRow| {
            job.layers
                .iter()
                .any(|layer| layer.id == row.layer.id.as_str())
        };
        let frames = locked.iter().filter(of_job);
        let frames =
            frames.flat_map(|row| row.frames.iter().map(|frame| (row.layer.id.clone(), frame)));
        frames
            .map(|(layer, frame)| {
                let layer = BookingLayer {
                    id: layer,
                    name: "layer".into(),
                    job: job.id.as_str().into(),
                    job_name: "job".into(),
                    show: own(&place.show, "beta").into(),
                    folder: own(&place.folder, "beta").into(),
                    dept: place.dept.as_str().into(),
                };
                let host = BookingHost {
                    id: host.id.as_str().into(),
                    name: host.name.as_str().into(),
                    alloc: own(&self.farm.allocation.id, "tried").into(),
                    os: None,
                };
                booking(frame, layer, host)
            })
            .collect()
    }

    /// Books all frames of the jobs, each on its host, that every cap admits.
    pub async fn book(&self, jobs: &[(&Launched, &Place)]) -> Result<Vec<Unlaunched>, StoreError> {
        let layers = jobs.iter().flat_map(|(job, _)| &job.layers);
        let want = |layer: &LaunchedLayer| (layer.id.as_str().into(), 10);
        let wanted: Vec<(LayerId, u32)> = layers.map(want).collect();
        let Some((mut held, locked)) = self.store.lock_layers(&wanted).await?.batch else {
            return Ok(Vec::new());
        };
        let rows = jobs
            .iter()
            .flat_map(|job| self.rows(*job, &locked))
            .collect();
        let (rows, booked) = match write(&mut held, rows).await {
            Ok(written) => written,
            Err(error) => {
                held.release().await?;
                return Err(error);
            }
        };
        held.commit(&refs(&rows)).await?;
        Ok(unlaunched(&rows, &booked))
    }

    /// Runs every statement that only reads, and asks why each job waits.
    pub async fn look(&self) -> Result<(), StoreError> {
        let store = &self.store;
        let place = self.farm.place();
        store.carried_tags().await?;
        let hosts = store
            .host_snapshot(None, Some(Duration::from_secs(120)))
            .await?;
        for show in [&*place.show, "beta"] {
            let cluster = Cluster {
                key: ClusterKey {
                    facility: place.facility.as_str().into(),
                    show: show.into(),
                },
                facility_name: "yard".into(),
                show_name: show.into(),
            };
            let found = store.wanted_layers(&cluster, &self.layers()).await?;
            let names: BTreeSet<&str> = found.iter().map(|job| &*job.job.name).collect();
            if show != "beta" {
                assert!(names.contains("sound"), "{names:?}");
            }
        }
        for job in self.jobs.iter().chain([&self.running]) {
            let facts = match store.why(&job.id, &[]).await {
                // A job whose own rows cannot be read is not explained.
                Err(error) if job.id == self.jobs[0].id && error.class() == ErrorClass::Row => {
                    continue;
                }
                facts => facts?.unwrap(),
            };
            let scheduler = Scheduler {
                rules: &FitRules::default(),
                facility: None,
                ignored_tags: &[],
                host_backoffs: &HashMap::new(),
            };
            let answer = why(&facts, &hosts.hosts, &scheduler);
            assert!(!answer.sentence.is_empty());
            store.waiting_counts(&facts.layers[0].layer.id).await?;
        }
        self.look_at_demand().await?;
        store.unlaunched_procs(Duration::ZERO, &[], 10).await?;
        store.drift(100).await?;
        store.unreported_procs(10).await?;
        store.ledger_faults(10).await?;
        store.miscounts(10).await?;
        store.check_limits().await?;
        store.check_meaning(5).await?;
        store.check_shared().await?;
        store.check_shows().await.map(drop)
    }

    /// Ids of the layers of all jobs.
    fn layers(&self) -> Vec<LayerId> {
        let layers = self.jobs.iter().chain([&self.running]);
        let layers = layers.flat_map(|job| &job.layers);
        layers.map(|layer| layer.id.as_str().into()).collect()
    }

    /// Reads what waits, all of it and then what changed, and what runs.
    async fn look_at_demand(&self) -> Result<(), StoreError> {
        let store = &self.store;
        let (all, cursor) = store.demand(None, &DemandCursor::default(), true).await?;
        assert!(all.jobs.iter().any(|job| &*job.name == "sound"));
        let (changed, _) = store.demand(None, &cursor, false).await?;
        assert!(!changed.complete && changed.gone_jobs.is_empty());
        let layers = self.layers();
        store.layer_hosts(&layers).await?;
        store.layer_memory(&layers).await?;
        let hosts = self.hosts.iter().map(|host| host.id.as_str().into());
        store.host_procs(&hosts.collect::<Vec<_>>()).await.map(drop)
    }

    /// Sets every counter to what its procs add up to, as far as triggers let it.
    pub async fn heal(&self) -> Result<(), StoreError> {
        let drift = self.store.drift(100).await?;
        let mut session = self.store.accounts_session().await?;
        session.heal(drift.keys).await.map(drop)
    }
}

/// Writes those of the rows that every cap admits, and returns them.
async fn write(
    held: &mut OpenBooking,
    rows: Vec<Booking>,
) -> Result<(Vec<Booking>, Booked), StoreError> {
    let seen = held.look(&refs(&rows)).await?;
    let hosts = seen.hosts.clone();
    let judged = admit(&refs(&rows), seen);
    let judged = rows.into_iter().zip(judged);
    let rows: Vec<Booking> = judged
        .filter_map(|(row, judged)| judged.ok().map(|()| row))
        .collect();
    held.launch_facts(&refs(&rows)).await?;
    let started = held.start(&refs(&rows)).await?;
    let ledger = held.counters(&refs(&rows), hosts).await?;
    let judged = admit(&refs(&rows), ledger);
    assert!(judged.iter().all(Result::is_ok), "{judged:?}");
    held.charge(rows.iter()).await?;
    Ok((rows, started))
}
