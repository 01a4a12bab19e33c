//! Changes of the schema under a running service, and locks of whole tables.

use std::time::Duration;

use crate::fault::Fault;
use crate::row::{OUTAGE, Row, Victim};

/// Tables whose rows a booking locks or writes.
const TABLES: [&str; 9] = [
    "job",
    "layer",
    "frame",
    "host",
    "proc",
    "job_stat",
    "folder_resource",
    "point",
    "subscription",
];

fn once(strike: &str) -> Fault {
    Fault::Statements(strike.to_owned(), "SELECT 1".to_owned())
}

/// A change that is over at once, and under which bookings are back at once.
fn change(name: &str, strike: &str) -> Row {
    Row {
        back: OUTAGE,
        ..Row::goes_on(name, once(strike))
    }
}

/// Rows that change the schema.
pub fn changes() -> Vec<Row> {
    let again = |statements: &str| Fault::Again(statements.to_owned(), Duration::from_millis(700));
    vec![
        change(
            "column of layer gets another type",
            "ALTER TABLE layer ALTER COLUMN str_services TYPE varchar(256)",
        ),
        change(
            "column of host gets another type",
            "ALTER TABLE host ALTER COLUMN str_tags TYPE varchar(4096)",
        ),
        change(
            "columns added to frame, proc and job",
            "ALTER TABLE frame ADD COLUMN int_new int; ALTER TABLE proc ADD COLUMN int_new int; ALTER TABLE job ADD COLUMN str_new text DEFAULT 'a'",
        ),
        change("table vacuumed in full", "VACUUM FULL layer"),
        change(
            "trigger dropped and made again",
            "BEGIN; DROP TRIGGER IF EXISTS injected ON frame; CREATE OR REPLACE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER injected BEFORE UPDATE ON frame FOR EACH ROW EXECUTE FUNCTION injected(); COMMIT",
        ),
        Row::recovers(
            "columns come every 0.7 s",
            again(
                "ALTER TABLE layer ADD COLUMN IF NOT EXISTS int_new int; ALTER TABLE layer DROP COLUMN int_new",
            ),
        ),
        Row::goes_on(
            "statistics gathered every 0.7 s",
            again("ANALYZE frame, layer, job, host, proc"),
        ),
    ]
}

/// Rows that lock a table as a migration does.
pub fn locks() -> Vec<Row> {
    let lock = |table: &&str| {
        Row {
            // Some of the locks keep sound jobs from coming; the victim waits already.
            victim: Victim::Unexplained,
            keeps_jobs_away: *table == "frame",
            ..Row::stands(
                format!("table {table} locked"),
                Fault::Open(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")),
            )
        }
    };
    TABLES.iter().map(lock).collect()
}
