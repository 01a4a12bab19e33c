//! The server: its fitness, its connections, and those of its settings that hurt.
//!
//! Invariant: settings are read in a session opened as the scheduler opens its own, so the scheduler will have
//! the same.

use std::collections::BTreeMap;
use std::time::Duration;

use cue_store::{Connections, LONGEST_IDLE, ServerFacts, Store};

use super::finding::{Finding, fail, judged, ok, warn};
use crate::config::Settings;

/// The oldest major version whose SQL the statements are written in.
const OLDEST: i32 = 13;

/// Skew between two clocks that is not worth a word.
const MOST_SKEW_MS: i64 = 1_000;

/// Looks at the server. Returns our role there too.
pub(super) async fn look(store: &Store, settings: &Settings) -> (Vec<Finding>, String) {
    let mut role = "CURRENT_USER".to_owned();
    let mut found = judged("server", store.check_server().await, |facts| {
        let mut found = server(&facts);
        found.extend(connections(&facts.connections, settings));
        role = facts.role_quoted;
        found
    });
    let set = of_sessions(settings);
    let asked = HARMS.iter().map(|harm| harm.name);
    let asked: Vec<&str> = asked.chain(set.iter().map(|(name, _)| *name)).collect();
    let values = store.check_settings(&asked).await;
    found.extend(judged("settings", values, |values| {
        judge(&values, settings, &role)
    }));
    (found, role)
}

fn server(facts: &ServerFacts) -> Vec<Finding> {
    let ServerFacts {
        place,
        version,
        database,
        role,
        ..
    } = facts;
    let mut found = vec![ok(format!(
        "PostgreSQL {version} at {place}, database {database}, role {role}"
    ))];
    if facts.version_number / 10_000 < OLDEST {
        found.push(fail(
            format!("its version {version} is too old"),
            format!("move to PostgreSQL {OLDEST} or newer"),
        ));
    }
    if facts.in_recovery {
        found.push(fail(
            "it is a standby, where nothing can be booked",
            "let CUE_DATABASE_URL name the primary",
        ));
    }
    found.extend(clock(facts.clock_ahead_ms));
    found
}

/// The database's clock against this machine's.
fn clock(ahead_ms: i64) -> Option<Finding> {
    (ahead_ms.abs() > MOST_SKEW_MS).then(|| {
        let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
        let seconds = (ahead_ms.abs() + 999) / 1_000;
        warn(format!("the database's clock is {seconds} s {way} this machine's"),
            "synchronise the clocks of the database, of this machine and of the hosts (NTP): start times of frames are the database's, and an RQD whose clock differs ends frames too early",
        ).about("clock")
    })
}

/// The pool against every limit there is.
fn connections(facts: &Connections, settings: &Settings) -> Option<Finding> {
    // The accounts have a connection outside of the pool.
    let wanted = i64::from(settings.database.pool) + 1;
    let limits = [
        ("max_connections", Some(facts.max - facts.kept)),
        ("the limit of the role", facts.role_limit),
        ("the limit of the database", facts.database_limit),
    ];
    let limits = limits
        .into_iter()
        .filter_map(|(name, limit)| Some((limit?, name)));
    let (least, name) = limits.min()?;
    let free = facts.max - facts.kept - facts.open;
    let says = format!("the scheduler wants {wanted}, {name} leaves {least}");
    let finding = if wanted > least {
        fail(
            says,
            format!("raise {name}, or lower CUE_DATABASE_POOL and make the stages narrower"),
        )
    } else if wanted > free {
        warn(
            format!("the scheduler wants {wanted}, and {free} are free now"),
            "raise max_connections, or see what the others use; the pools of all replicas add up",
        )
    } else {
        ok(format!(
            "{says}, {free} are free now, for all replicas together"
        ))
    };
    Some(finding.about("connections"))
}

/// A setting of the server that hurts with some values.
struct Harm {
    name: &'static str,
    hurts: fn(&str) -> bool,
    fails: bool,
    /// A value that does not hurt.
    cure: &'static str,
    /// The harm, where `{}` is the value.
    says: &'static str,
}

/// Settings that the scheduler leaves to the server, in the order of their findings.
#[rustfmt::skip]
const HARMS: [Harm; 6] = [
    Harm { name: "default_transaction_read_only", hurts: |value| value == "on", fails: true, cure: "off",
        says: "transactions of this role are read only" },
    Harm { name: "default_transaction_isolation", hurts: |value| value != "read committed", fails: true, cure: "'read committed'",
        says: "caps are counted after the lock on them is had, which needs the isolation read committed" },
    Harm { name: "transaction_timeout", hurts: |value| is_limit(value, LONGEST_IDLE), fails: false, cure: "'60000ms'",
        says: "transaction_timeout is {} ms, and a batch keeps its transaction open while it queues" },
    Harm { name: "idle_session_timeout", hurts: |value| is_limit(value, Duration::MAX), fails: false, cure: "0",
        says: "idle_session_timeout is {} ms: it closes connections in the pool, and the next work on one fails and is tried again" },
    Harm { name: "synchronous_commit", hurts: |value| value == "off", fails: false, cure: "on",
        says: "synchronous_commit is off: a crash of the server can lose bookings whose frames run already" },
    Harm { name: "autovacuum", hurts: |value| value == "off", fails: false, cure: "on",
        says: "autovacuum is off: every booking leaves old versions of rows behind, and statements grow slower" },
];

/// Returns true if the value is a time limit in milliseconds, below `least`. A limit of 0 is none.
fn is_limit(value: &str, least: Duration) -> bool {
    let limit: Option<u64> = value.parse().ok();
    limit.is_some_and(|limit| limit > 0 && Duration::from_millis(limit) < least)
}

/// Findings about settings, by their values.
fn judge(values: &BTreeMap<String, String>, settings: &Settings, role: &str) -> Vec<Finding> {
    let harm = |harm: &Harm| {
        // The server does not know a limit of a newer version; the isolation it always knows.
        let value = values.get(harm.name).map_or("", String::as_str);
        let advice = match harm.name {
            "autovacuum" => "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();".to_owned(),
            name => format!("ALTER ROLE {role} SET {name} = {};", harm.cure),
        };
        let says = harm.says.replace("{}", value);
        (harm.hurts)(value).then(|| match harm.fails {
            true => fail(says, advice),
            false => warn(says, advice),
        })
    };
    let harms = HARMS.iter().filter_map(harm);
    std::iter::once(session(values, settings))
        .chain(harms)
        .collect()
}

/// Settings that the scheduler sets for its sessions.
fn of_sessions(settings: &Settings) -> [(&'static str, String); 4] {
    let millis = |limit: Duration| limit.as_millis().to_string();
    let (statement, lock) = (
        settings.database.statement_timeout,
        settings.database.lock_timeout,
    );
    [
        ("jit", "off".to_owned()),
        ("statement_timeout", millis(statement)),
        ("lock_timeout", millis(lock)),
        ("idle_in_transaction_session_timeout", millis(LONGEST_IDLE)),
    ]
}

/// Arrival of the settings that the scheduler sets for its sessions.
fn session(values: &BTreeMap<String, String>, settings: &Settings) -> Finding {
    let wanted = of_sessions(settings);
    let lost = wanted
        .iter()
        .filter(|(name, value)| values.get(*name) != Some(value));
    let lost: Vec<&str> = lost.map(|(name, _)| *name).collect();
    if lost.is_empty() {
        let set = wanted
            .map(|(name, value)| format!("{name} {value}"))
            .join(", ");
        let says = format!(
            "the scheduler sets for its own sessions, whatever the server has: {set} (milliseconds)"
        );
        return ok(says);
    }
    let lost = lost.join(", ");
    warn(
        format!(
            "{lost} did not reach the server: something between drops the options of a session"
        ),
        "connect without a pooler; each replica has its own pool",
    )
}

#[cfg(test)]
mod tests;
