//! A farm, the program on it as a role of its own, and what the program says of itself.

use std::process::Stdio;
use std::time::{Duration, Instant};

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::{until, within};
use serde_json::Value;
use tokio::process::Command;

#[path = "../farm/binary.rs"]
mod binary;

use binary::Service;

/// Booking goes on within this time after the cause of a failure is gone.
pub const SOON: Duration = Duration::from_secs(5);

/// A farm of two hosts and the program on it, in a dry run.
pub struct Yard {
    pub db: TestDb,
    pub farm: Fixture,
    pub role: String,
    pub url: String,
    service: Service,
}

impl Yard {
    /// Starts the program as a role that has the rights on every table, in a dry run.
    pub async fn open() -> Self {
        let db = TestDb::fresh().await;
        let farm = Fixture::new(&db.pool).await.unwrap();
        for host in ["node1", "node2"] {
            farm.host(host, |_| {}).await.unwrap();
        }
        let name = sqlx::query_scalar("SELECT quote_ident('role_' || current_database())");
        let role: String = name.fetch_one(&db.pool).await.unwrap();
        let (scheme, rest) = db.url.split_once("://").unwrap();
        let place = rest.split_once('@').map_or(rest, |(_, place)| place);
        let url = format!("{scheme}://{role}:test@{place}");
        let grants = format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'test';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};"
        );
        db.run(&grants).await;
        let service = Service::start(&[("CUE_DATABASE_URL", &url), ("CUE_DRY_RUN", "true")]).await;
        let yard = Self {
            db,
            farm,
            role,
            url,
            service,
        };
        yard.becomes(200).await;
        yard
    }

    /// Ends the program, and returns its log.
    pub async fn close(self) -> String {
        let (code, log) = self.service.terminate().await;
        assert_eq!(code, Some(0), "{log}");
        self.db
            .run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role))
            .await;
        log
    }

    pub async fn run(&self, sql: &str) {
        self.db.run(sql).await;
    }

    /// Adds a waiting job of one frame.
    pub async fn job(&self, name: &str) {
        self.farm.frames(name, 1, |_| {}).await.unwrap();
    }

    pub async fn booked(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM proc");
        count.fetch_one(&self.db.pool).await.unwrap()
    }

    /// The answer of `/readyz`.
    pub async fn ready(&self) -> (u16, String) {
        self.service.get("/readyz").await
    }

    /// Waits until `/readyz` answers this code. Returns the body and the time until then.
    pub async fn becomes(&self, code: u16) -> (String, Duration) {
        let (began, mut body) = (Instant::now(), String::new());
        until(&format!("{code} at /readyz"), async || {
            let (now, text) = self.ready().await;
            body = text;
            now == code
        })
        .await;
        (body, began.elapsed())
    }

    pub async fn status(&self) -> Value {
        let (_, body) = self.service.get("/status").await;
        serde_json::from_str(&body).unwrap()
    }

    pub async fn why(&self, name: &str) -> Value {
        let (_, body) = self.service.get(&format!("/why/{name}")).await;
        serde_json::from_str(&body).unwrap()
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> String {
        let (_, body) = self.service.get("/metrics").await;
        let start = format!("{name} ");
        let line = body.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    }

    /// Output of `top`, in one line.
    pub async fn top(&self) -> String {
        let words = ["top", "--once", "--addr", &self.service.address];
        let text = program(&words, &self.url).await;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Output of `check`, as the role of the program.
    pub async fn check(&self) -> String {
        program(&["check"], &self.url).await
    }

    /// Frames are booked within the bar, and the program is ready again.
    pub async fn books_soon(&self, frames: i64) {
        let began = Instant::now();
        until("bookings", async || self.booked().await >= frames).await;
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        self.becomes(200).await;
    }
}

/// Has every booking, or those for which `when` holds, end with this SQLSTATE.
pub fn trigger(code: &str, when: &str) -> String {
    format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN RAISE EXCEPTION 'the cellar is full' USING ERRCODE = '{code}'; END$$;
         CREATE TRIGGER refuse BEFORE INSERT ON proc FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse();"
    )
}

pub const NO_TRIGGER: &str = "DROP TRIGGER refuse ON proc; DROP FUNCTION refuse();";

async fn program(words: &[&str], url: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
        .args(words)
        .env_clear()
        .env("CUE_DATABASE_URL", url)
        .env("CUE_ADMIN_ADDR", "off")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the program", output).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}
