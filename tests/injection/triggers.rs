//! Errors that triggers raise, with codes of every class, at different places of a booking.

use crate::fault::Fault;
use crate::row::{Row, SILENCE, Sounds, Victim};

/// A trigger that runs for each row of a table.
struct Trigger<'a> {
    table: &'a str,
    /// Such as `BEFORE INSERT`; with `AFTER COMMIT` the trigger is deferred.
    when: &'a str,
    condition: String,
    action: String,
}

impl Trigger<'_> {
    fn fault(self) -> Fault {
        let Self {
            table,
            when,
            condition,
            action,
        } = self;
        let (constraint, deferred) = match when.starts_with("AFTER COMMIT") {
            true => ("CONSTRAINT", "DEFERRABLE INITIALLY DEFERRED"),
            false => ("", ""),
        };
        let when = when.replace("AFTER COMMIT", "AFTER");
        let strike = format!(
            "CREATE OR REPLACE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF {condition} THEN {action} END IF;
                 RETURN NEW;
             END $$;
             CREATE {constraint} TRIGGER injected {when} ON {table} {deferred}
                 FOR EACH ROW EXECUTE FUNCTION injected()"
        );
        Fault::Statements(strike, format!("DROP TRIGGER injected ON {table}"))
    }
}

fn raise(code: &str) -> String {
    format!("RAISE EXCEPTION 'injected' USING ERRCODE = '{code}';")
}

/// The start of a frame.
const STARTS: &str = "OLD.str_state = 'WAITING' AND NEW.str_state = 'RUNNING'";

/// At least one code of each class of errors, each with what it means elsewhere.
const CODES: [(&str, &str); 15] = [
    ("22023", "invalid parameter"),
    ("23514", "check violation"),
    ("P0001", "raise"),
    ("42501", "missing right"),
    ("53100", "full disk"),
    ("54001", "statement too complex"),
    ("57014", "cancelled"),
    ("57P03", "cannot connect now"),
    ("40001", "serialization failure"),
    ("0A000", "cached plan"),
    ("25006", "read-only"),
    ("28000", "authorization"),
    ("XX000", "internal error"),
    ("08006", "connection failure"),
    ("55P03", "lock not available"),
];

/// Those of them that every booking raises in [`everybody`].
const OF_EVERYBODY: [&str; 7] = [
    "P0001", "42501", "57014", "40001", "0A000", "XX000", "55P03",
];

/// Rows in which one job's frames are refused, by code.
pub fn codes() -> Vec<Row> {
    let row = |(code, means): &(&'static str, &str)| {
        let trigger = Trigger {
            table: "frame",
            when: "BEFORE UPDATE",
            condition: format!("NEW.pk_job = '{{job}}' AND {STARTS}"),
            action: raise(code),
        };
        Row::refused(
            format!("{code} ({means}) for one job"),
            code,
            trigger.fault(),
        )
    };
    CODES.iter().map(row).collect()
}

/// A row of the table whose trigger refuses what belongs to the victim.
fn one(
    table: &'static str,
    when: &'static str,
    condition: &str,
    code: &'static str,
    action: &str,
) -> Row {
    let trigger = Trigger {
        table,
        when,
        condition: condition.to_owned(),
        action: action.to_owned(),
    };
    let name = match when.strip_prefix("AFTER COMMIT ") {
        Some(event) => format!("{code} at the commit of {event} of {table}"),
        None => format!("{code} {when} of {table}"),
    };
    Row::refused(name, code, trigger.fault())
}

fn raised(table: &'static str, when: &'static str, condition: &str, code: &'static str) -> Row {
    one(table, when, condition, code, &raise(code))
}

fn of(id: &str) -> String {
    format!("NEW.{id} = '{{{}}}'", id.trim_start_matches("pk_"))
}

/// Rows in which a count of one job or layer may not grow.
fn counts() -> impl Iterator<Item = Row> {
    let counts = [
        ("job_resource", "pk_job", "int_cores", "22023"),
        ("layer_resource", "pk_layer", "int_cores", "53100"),
        ("folder_resource", "pk_folder", "int_cores", "23514"),
        ("layer_stat", "pk_layer", "int_running_count", "42501"),
    ];
    counts.into_iter().map(|(table, id, column, code)| {
        let grows = format!("{} AND NEW.{column} > OLD.{column}", of(id));
        raised(table, "BEFORE UPDATE", &grows, code)
    })
}

/// Rows in which one job, layer or host is refused, at different places.
pub fn places() -> Vec<Row> {
    let starts = format!("{} AND {STARTS}", of("pk_job"));
    let frame = |code, action| one("frame", "BEFORE UPDATE", &starts, code, action);
    let takes = format!(
        "{} AND NEW.int_cores_idle < OLD.int_cores_idle",
        of("pk_host")
    );
    let mut rows = vec![
        raised("frame", "AFTER COMMIT UPDATE", &starts, "22023"),
        raised("proc", "AFTER COMMIT INSERT", &of("pk_layer"), "40001"),
        Row {
            name: "frame is not updated, without an error".to_owned(),
            victim: Victim::Unexplained,
            ..frame("", "RETURN NULL;")
        },
        Row {
            name: "trigger sleeps longer than any statement may".to_owned(),
            // The first plan with the row waits as long as a statement may take.
            sounds: Sounds::Recover(SILENCE),
            ..frame("57014", "PERFORM pg_sleep(60);")
        },
        Row {
            victim: Victim::Apart,
            ..raised("host", "BEFORE UPDATE", &takes, "22023")
        },
        Row {
            victim: Victim::Apart,
            ..raised("proc", "BEFORE INSERT", &of("pk_host"), "P0001")
        },
    ];
    rows.extend(counts());
    rows
}

/// Rows in which every booking is refused, or its session ended.
pub fn everybody() -> Vec<Row> {
    let row = |(code, means): &(&str, &str)| {
        let trigger = Trigger {
            table: "frame",
            when: "BEFORE UPDATE",
            condition: STARTS.to_owned(),
            action: raise(code),
        };
        Row::stands(format!("{code} ({means}) for every frame"), trigger.fault())
    };
    let codes = CODES.iter().filter(|(code, _)| OF_EVERYBODY.contains(code));
    let mut rows: Vec<_> = codes.map(row).collect();
    let at_commit = |action: String| Trigger {
        table: "proc",
        when: "AFTER COMMIT INSERT",
        condition: "true".to_owned(),
        action,
    };
    let full = at_commit(raise("53100"));
    rows.push(Row::stands("53100 (full disk) at every commit", full.fault()).lasting(5));
    let third = Trigger {
        condition: "nextval('injected_commits') % 3 = 0".to_owned(),
        ..at_commit("PERFORM pg_terminate_backend(pg_backend_pid());".to_owned())
    };
    let Fault::Statements(strike, lift) = third.fault() else {
        return rows;
    };
    let third = Fault::Statements(
        format!("CREATE SEQUENCE injected_commits; {strike}"),
        format!("{lift}; DROP SEQUENCE injected_commits"),
    );
    rows.push(Row::recovers(
        "backend terminated in every third commit",
        third,
    ));
    rows
}
