//! PostgreSQL restarts under full load: no panic, no lost and no doubled frame, and booking goes on
//! once it is back. How fast is only printed: that says more about the machine than about us.

use cue_simfarm::waiting::{until, within};
use std::time::{Duration, Instant};

use cue_scheduler::admin::{AdminServer, AdminState, HostNames};
use cue_simfarm::audit::{AuditOptions, LaunchLog, audit_with};
use cue_simfarm::completion::{Completer, CompleterSettings};
use cue_simfarm::postgres::{Database, Server, ServerSettings};
use cue_simfarm::rqd::{SimRqd, SimRqdSettings};
use cue_simfarm::seed::Fixture;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cable::Cable;
use crate::world::{Scheduler, up_to_ms};

const JOBS: u64 = 12;
const FRAMES: u64 = 500 * JOBS;

/// Time for which nobody can connect.
const AWAY: Duration = Duration::from_secs(2);

/// Over how long a rate is taken.
const WINDOW: Duration = Duration::from_millis(500);

/// Further frames that show that booking goes on.
const MORE: f64 = 50.0;

/// A farm on a server of its own, whose commits outlive a crash.
struct Farm {
    pool: PgPool,
    rqd: SimRqd,
    completer: Completer,
    database: Database,
    server: Server,
}

impl Farm {
    async fn open() -> Self {
        let settings = ServerSettings::from_env().set("synchronous_commit", "on");
        let server = tokio::task::spawn_blocking(|| Server::start(settings));
        let server = server.await.unwrap().unwrap();
        let database = Database::create(&server, "cue_restart").await.unwrap();
        database.install_schema().await.unwrap();
        let pool = PgPoolOptions::new().max_connections(8);
        let pool = pool.connect(database.url()).await.unwrap();
        let farm = Fixture::new(&pool).await.unwrap();
        for n in 1..=8 {
            farm.host(&format!("node{n}"), |_| ()).await.unwrap();
        }
        for job in 0..JOBS {
            let name = format!("job{job}");
            farm.frames(&name, 500, |_| ()).await.unwrap();
        }
        let mut rqd = SimRqd::start(SimRqdSettings { ..up_to_ms(100) }).unwrap();
        let ends = rqd.completions().unwrap();
        let completer = Completer::start(pool.clone(), ends, CompleterSettings::default());
        Self {
            pool,
            rqd,
            completer,
            database,
            server,
        }
    }

    /// Takes everything down and audits it.
    async fn close(self) {
        let log = LaunchLog::of(&self.rqd);
        within("the hosts to stop", self.rqd.shutdown()).await;
        let stats = within("the completer to finish", self.completer.finish()).await;
        assert_eq!(stats.lost, 0, "every report was applied");
        let options = AuditOptions {
            launches: Some(&log),
            exactly_once: true,
            ..AuditOptions::default()
        };
        let audit = audit_with(&self.pool, &options).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
        self.pool.close().await;
        self.database.remove().await.unwrap();
        drop(self.server);
    }
}

/// The admin server of a scheduler, for its `/readyz`.
struct Watched(AdminServer);

impl Watched {
    async fn new(scheduler: &Scheduler) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let admin = AdminServer::start(address, HostNames::default());
        let mut admin = admin.await.unwrap();
        let mut state = AdminState::new(scheduler.registry.clone());
        state.probes = scheduler.running.probes.clone();
        admin.show(state);
        Self(admin)
    }

    /// Answer of `/readyz`.
    async fn ready(&self) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.0.address())
            .await
            .unwrap();
        let request = "GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn end(self) {
        self.0.end().await;
    }
}

/// Has the server lose one of its processes by force. It ends all the others then, and starts over.
async fn crash(url: &str) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let order = "DO $$ BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM ''kill -9 %s''', pg_backend_pid()); END $$";
    let answer = sqlx::query(order).execute(&mut conn).await;
    assert!(answer.is_err(), "the server lives on");
}

/// Frames booked so far.
fn booked(scheduler: &Scheduler) -> f64 {
    scheduler.sum("scheduler_frames_dispatched_total")
}

/// Frames booked a second over a number of windows.
async fn rate(scheduler: &Scheduler, windows: u32) -> f64 {
    let (before, began) = (booked(scheduler), Instant::now());
    tokio::time::sleep(WINDOW * windows).await;
    (booked(scheduler) - before) / began.elapsed().as_secs_f64()
}

/// Waits until all frames have completed, for as long as some complete now and then.
async fn drained(completer: &Completer) {
    let mut completed = completer.completed();
    while completed < FRAMES {
        let more = completer.completed_at_least(completed + 1);
        within("a frame to complete", more).await;
        completed = completer.completed();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_full_load_loses_and_doubles_nothing_and_booking_goes_on() {
    let farm = Farm::open().await;
    let (completer, direct) = (&farm.completer, farm.database.url());
    let cable = Cable::to(direct, Vec::new(), false).await;
    let settings = [("CUE_BATCH_FRAMES", "50"), ("CUE_BATCH_LAYERS", "32")];
    let url = cable.url(direct);
    let scheduler = Scheduler::start_at(&url, farm.rqd.address(), &settings).await;
    let watched = Watched::new(&scheduler).await;

    within("a tenth", completer.completed_at_least(FRAMES / 10)).await;
    let full = rate(&scheduler, 2).await;
    assert!(watched.ready().await.starts_with("HTTP/1.1 200"));
    cable.cut();
    crash(direct).await;
    let openings = || scheduler.sum("scheduler_db_breaker_openings_total");
    until("the breaker to open", async || openings() >= 1.0).await;
    let answer = watched.ready().await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("\"breaker\""),
        "{answer}"
    );
    let given = scheduler.sum("scheduler_cluster_polls_total");
    tokio::time::sleep(AWAY).await;
    let more = scheduler.sum("scheduler_cluster_polls_total") - given;
    assert!(more <= 1.0, "turns are put off: {more} were begun");
    until("the server to be back", async || {
        PgConnection::connect(direct).await.is_ok()
    })
    .await;
    let before = booked(&scheduler);
    assert!(before + MORE <= FRAMES as f64, "it went in the middle");
    cable.join();
    let returned = Instant::now();
    until("frames to be booked again", async || {
        booked(&scheduler) >= before + MORE
    })
    .await;
    let back = returned.elapsed();
    let share = 100.0 * rate(&scheduler, 1).await / full;
    println!(
        "{full:.0} frames/s before; {MORE} in {back:?} after it, then {share:.0} % of that rate"
    );
    until("the breaker to be closed", async || {
        watched.ready().await.starts_with("HTTP/1.1 200")
    })
    .await;
    drained(completer).await;

    let panics = scheduler.sum_of("scheduler_stage_items_total", "panic");
    assert_eq!(panics, 0.0);
    scheduler.drain().await;
    watched.end().await;
    farm.close().await;
}
