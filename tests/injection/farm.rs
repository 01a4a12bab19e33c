//! The farm of some rows: its database, hosts, the real program behind a line, and for each row a stream of
//! sound jobs and a victim whose rows faults may name.
//!
//! Frames run until the fault is over, so that releases stay out of the figures. Invariant: a farm is
//! closed by [`Farm::close`], which audits what all its rows have left.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cue_simfarm::postgres::{Server, TestDb, run, values};
use cue_simfarm::seed::{Fixture, JobSpec, Launched, LayerSpec, Place, launch_job};
use cue_simfarm::waiting::until;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::binary::Service;
use crate::line::Line;
use crate::pair::Pair;
use crate::world::{World, endless};

/// Hosts of 32 cores each.
const HOSTS: usize = 4;

/// Server of a farm's database, and role of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The server of all tests.
    #[default]
    Shared,
    /// The same, and the service has a role of its own, with every right that it needs.
    OwnRole,
    /// A server that rows may end.
    OwnServer,
    /// Such a server with a standby that takes its place.
    Pair,
}

/// Everything that a row needs.
pub struct Farm {
    pub world: World,
    pub service: Arc<Service>,
    pub line: Line,
    pub server: Option<Server>,
    pub pair: Option<Pair>,
    /// Sessions of the test, which no setting of the database changes.
    pub admin: PgPool,
    /// Sessions of the test in another database, for changes of the first one and of roles.
    pub cluster: PgPool,
    /// The URL as the service has it, without the line.
    pub url: String,
    victim: Option<Victim>,
    role: Option<String>,
    host: String,
    fixture: Fixture,
    other: Place,
    rows: usize,
}

/// The job that a fault is about, and what only it has.
struct Victim {
    job: Launched,
    folder: String,
    gate: String,
    licence: String,
}

impl Farm {
    /// Builds the farm, and starts the service.
    pub async fn open(setting: Setting) -> Self {
        let (mut server, mut pair) = (None, None);
        let db = match setting {
            Setting::Shared | Setting::OwnRole => TestDb::fresh().await,
            Setting::OwnServer => {
                let own = server.insert(Pair::alone().await);
                TestDb::on(own).await.unwrap()
            }
            Setting::Pair => {
                let pair = pair.insert(Pair::start().await);
                TestDb::on(&pair.entrance()).await.unwrap()
            }
        };
        let fixture = Fixture::new(&db.pool).await.unwrap();
        let host = fixture.host("node1", |_| ()).await.unwrap();
        for n in 2..=HOSTS {
            fixture.host(&format!("node{n}"), |_| ()).await.unwrap();
        }
        let other = second_show(&db.pool, &fixture).await;
        let (base, _) = db.url.rsplit_once('/').unwrap();
        let cluster = admin(&format!("{base}/postgres")).await;
        let admin = admin(&db.url).await;
        let role = match setting {
            Setting::OwnRole => Some(role(&admin).await),
            _ => None,
        };
        let world = World::open(db, endless()).await;
        let line = Line::to(&world.db.url).await;
        let url = match &role {
            Some(role) => world.db.url.replace("postgres@", &format!("{role}@")),
            None => world.db.url.clone(),
        };
        let rqd = world.rqd.address().to_string();
        let through = line.url(&url);
        let service = Service::start(&[
            ("CUE_DATABASE_URL", &through),
            ("CUE_RQD_ADDRESS", &rqd),
            ("CUE_FACILITY", "yard"),
        ])
        .await;
        Self {
            world,
            service: Arc::new(service),
            line,
            server,
            pair,
            admin,
            cluster,
            url,
            victim: None,
            role,
            host,
            fixture,
            other,
            rows: 0,
        }
    }

    /// Begins a row: adds its victim, which waits at a closed gate, and returns the source of its sound jobs.
    pub async fn begin(&mut self) -> Submitter {
        self.rows += 1;
        let n = self.rows;
        let name = format!("victim{n}");
        let folder = self.fixture.folder(&name, -1, -1).await.unwrap();
        let gate = self.fixture.limit(&format!("gate{n}"), 0).await.unwrap();
        let licence = self
            .fixture
            .limit(&format!("licence{n}"), 100)
            .await
            .unwrap();
        let mut spec = JobSpec::new(self.fixture.place(), &name);
        spec.place.folder.clone_from(&folder);
        spec.layer("render", &self.fixture.allocation.name, |layer| {
            layer.limits = vec![gate.clone(), licence.clone()];
        });
        let job = launch_job(&self.admin, &spec).await.unwrap();
        self.victim = Some(Victim {
            job,
            folder,
            gate,
            licence,
        });
        Submitter {
            pool: self.admin.clone(),
            first: self.fixture.place(),
            other: self.other.clone(),
            tags: self.fixture.allocation.name.clone(),
            prefix: format!("sound{n}"),
        }
    }

    fn victim(&self) -> &Victim {
        self.victim.as_ref().expect("a row that has begun")
    }

    /// The name of the victim.
    pub fn victim_name(&self) -> &str {
        &self.victim().job.name
    }

    /// The id of the victim's frame.
    pub fn victim_frame(&self) -> &str {
        &self.victim().job.layers[0].frames[0]
    }

    /// Lets the victim run from now on.
    pub async fn release_victim(&self) {
        let open = "UPDATE limit_record SET int_max_value = 100 WHERE pk_limit_record = '{gate}'";
        run(&self.admin, &self.fill(open)).await;
    }

    /// Puts the ids of the row's rows where a statement names them.
    pub fn fill(&self, statement: &str) -> String {
        let url = PgConnectOptions::from_str(&self.world.db.url).unwrap();
        let victim = self.victim();
        let words = [
            ("{job}", &*victim.job.id),
            ("{layer}", &*victim.job.layers[0].id),
            ("{frame}", self.victim_frame()),
            ("{host}", &*self.host),
            ("{folder}", &*victim.folder),
            ("{gate}", &*victim.gate),
            ("{licence}", &*victim.licence),
            ("{subscription}", &*self.fixture.subscription),
            ("{point}", &*self.fixture.point),
            ("{db}", url.get_database().unwrap()),
            ("{role}", self.role.as_deref().unwrap_or("postgres")),
        ];
        let fill = |text: String, (word, id): &(&str, &str)| text.replace(word, id);
        words.iter().fold(statement.to_owned(), fill)
    }

    /// Frames of all rows so far. A job whose commit was not acknowledged may be there as well.
    pub async fn frames(&self) -> usize {
        let count = self.world.db.count("SELECT count(*) FROM frame").await;
        usize::try_from(count).unwrap()
    }

    /// Evidence of frames that do not start: their states, open sessions, and the end of the service's log.
    pub async fn autopsy(&self) -> String {
        let query = "SELECT format('%s of %s, %s, waiting %s, xmax %s, started %s, now %s', f.str_state, j.str_name, j.str_state,
                    js.int_waiting_count, f.xmax, j.ts_started, now())
             FROM frame f JOIN job j USING (pk_job) LEFT JOIN job_stat js USING (pk_job)
             WHERE f.str_state <> 'SUCCEEDED'
             AND NOT EXISTS (SELECT 1 FROM proc p WHERE p.pk_frame = f.pk_frame AND p.ts_ping >= p.ts_booked)
             UNION ALL
             SELECT format('%s %s since %s: %s', application_name, state, now() - state_change, left(query, 60))
             FROM pg_stat_activity WHERE datname = current_database()";
        let rows = sqlx::query_scalar(query).fetch_all(&self.admin);
        let rows: Vec<String> = rows.await.unwrap_or_default();
        let (_, status) = self.service.get("/status").await;
        format!("{}\n{status}", rows.join("\n"))
    }

    /// Lets every frame that was launched end, so that the hosts are free for the next row.
    pub async fn finish_frames(&self) {
        self.world.finish_all(self.frames().await).await;
    }

    /// Takes everything down, audits, and returns the service's log.
    pub async fn close(self) -> String {
        let frames = self.frames().await;
        let Self {
            world,
            service,
            admin,
            cluster,
            server,
            pair,
            role,
            ..
        } = self;
        let service = Arc::into_inner(service).expect("nobody else asks the service");
        let (code, log) = service.terminate().await;
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        assert_eq!(world.frames("SUCCEEDED").await, frames as i64);
        if let Some(role) = role {
            run(&admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        }
        admin.close().await;
        cluster.close().await;
        world.close().await;
        drop((server, pair));
        log
    }
}

/// Adds sound jobs.
#[derive(Clone, Debug)]
pub struct Submitter {
    pool: PgPool,
    first: Place,
    other: Place,
    tags: String,
    prefix: String,
}

impl Submitter {
    /// Adds a job of one frame to one of the two shows, and returns its name and the id of the frame.
    pub async fn submit(&self, n: usize, other_show: bool) -> Option<(String, String)> {
        let place = match other_show {
            true => self.other.clone(),
            false => self.first.clone(),
        };
        let mut spec = JobSpec::new(place, &format!("{}-{n}", self.prefix));
        spec.layers.push(LayerSpec::new("render", &self.tags));
        let mut job = launch_job(&self.pool, &spec).await.ok()?;
        Some((job.name, job.layers.remove(0).frames.remove(0)))
    }
}

/// Sessions that name every setting which a row may change for the database.
async fn admin(url: &str) -> PgPool {
    let options = PgConnectOptions::from_str(url).unwrap().options([
        ("default_transaction_read_only", "off"),
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("search_path", "public"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(6)
        .acquire_timeout(Duration::from_secs(60));
    pool.connect_with(options).await.unwrap()
}

/// A role with every right on the tables, for one database.
async fn role(admin: &PgPool) -> String {
    let name = sqlx::query_scalar("SELECT 'role_' || current_database()");
    let role: String = name.fetch_one(admin).await.unwrap();
    let grants = format!(
        "CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}"
    );
    run(admin, &grants).await;
    role
}

/// Adds the show `beta`, which shares the hosts with the first one and no other row.
async fn second_show(pool: &PgPool, fixture: &Fixture) -> Place {
    let place = Place {
        show: "show-beta".to_owned(),
        show_name: "beta".to_owned(),
        folder: "folder-beta".to_owned(),
        ..fixture.place()
    };
    let statements = format!(
        "INSERT INTO show (pk_show, str_name, b_scheduler_managed) VALUES ('show-beta', 'beta', true);
         INSERT INTO show_stats (pk_show) VALUES ('show-beta');
         INSERT INTO point (pk_point, pk_dept, pk_show) VALUES ('point-beta', '{dept}', 'show-beta');
         INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst)
             VALUES ('subscription-beta', 'show-beta', '{alloc}', 10000, 20000);
         INSERT INTO folder (pk_folder, pk_show, str_name, pk_dept)
             VALUES ('folder-beta', 'show-beta', 'beta', '{dept}')",
        dept = fixture.dept,
        alloc = fixture.allocation.id,
    );
    run(pool, &statements).await;
    place
}

/// Waits until `least` sessions of the service are there, and returns their pids.
pub async fn sessions(farm: &Farm, least: usize) -> Vec<i32> {
    let mut pids = Vec::new();
    until("sessions of the service", async || {
        pids = pids_where(farm, "true").await;
        pids.len() >= least
    })
    .await;
    pids
}

/// The pids of those sessions of the service for which a condition holds.
pub async fn pids_where(farm: &Farm, condition: &str) -> Vec<i32> {
    let query = format!(
        "SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND application_name LIKE 'cue-scheduler%' AND {condition}"
    );
    values(&farm.admin, &query).await
}
