//! The server: whether it can be used, how many connections it has, and which of its settings hurt.
//!
//! Invariant: settings are read in a session opened as the scheduler opens its own, so what is said
//! here is what the scheduler will have.

use std::collections::BTreeMap;

use cue_store::{Connections, ServerFacts, Store};

use super::Finding;
use crate::config::Settings;

/// The oldest major version whose SQL the statements are written in.
const OLDEST: i32 = 13;

/// A transaction of a batch is idle while the batch queues; a limit above this is never felt.
const LONGEST_IDLE_MS: i64 = 60_000;

/// Skew between two clocks that is not worth a word.
const MOST_SKEW_MS: i64 = 1_000;

/// What is asked of `pg_settings`.
const ASKED: &[&str] = &[
    "autovacuum",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "jit",
    "lock_timeout",
    "statement_timeout",
    "synchronous_commit",
    "transaction_timeout",
];

/// Looks at the server, and says who we are there.
pub(super) async fn look(store: &Store, settings: &Settings) -> (Vec<Finding>, String) {
    let mut found = Vec::new();
    let role = match store.check_server().await {
        Ok(facts) => {
            found.extend(server(&facts));
            found.extend(connections(&facts.connections, settings));
            facts.role_quoted
        }
        Err(error) => {
            found.push(Finding::unanswered("server", &error));
            "CURRENT_USER".to_owned()
        }
    };
    match store.check_settings(ASKED).await {
        Ok(values) => found.extend(Values(&values).judge(settings, &role)),
        Err(error) => found.push(Finding::unanswered("settings", &error)),
    }
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
    let mut found = vec![Finding::ok(
        "server",
        format!("PostgreSQL {version} at {place}, database {database}, role {role}"),
    )];
    if facts.version_number / 10_000 < OLDEST {
        found.push(Finding::fail(
            "server",
            format!("its version {version} is too old"),
            format!("move to PostgreSQL {OLDEST} or newer"),
        ));
    }
    if facts.in_recovery {
        found.push(Finding::fail(
            "server",
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
        Finding::warn(
            "clock",
            format!("the database's clock is {seconds} s {way} this machine's"),
            "synchronise the clocks of the database, of this machine and of the hosts (NTP): start times of frames are the database's, and an RQD whose clock differs ends frames too early",
        )
    })
}

/// The pool against every limit there is.
fn connections(facts: &Connections, settings: &Settings) -> Vec<Finding> {
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
    let Some((least, name)) = limits.min() else {
        return Vec::new();
    };
    let free = facts.max - facts.kept - facts.open;
    let says = format!("the scheduler wants {wanted}, {name} leaves {least}");
    let finding = if wanted > least {
        Finding::fail(
            "connections",
            says,
            format!("raise {name}, or lower CUE_DATABASE_POOL and make the stages narrower"),
        )
    } else if wanted > free {
        Finding::warn(
            "connections",
            format!("the scheduler wants {wanted}, and {free} are free now"),
            "raise max_connections, or see what the others use; the pools of all replicas add up",
        )
    } else {
        Finding::ok(
            "connections",
            format!("{says}, {free} are free now, for all replicas together"),
        )
    };
    vec![finding]
}

/// Settings by name.
struct Values<'a>(&'a BTreeMap<String, String>);

impl Values<'_> {
    fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|found| found == value)
    }

    /// A time limit in milliseconds, if there is one.
    fn limit(&self, name: &str) -> Option<i64> {
        let limit = self.0.get(name)?.parse().ok()?;
        (limit > 0).then_some(limit)
    }

    fn judge(&self, settings: &Settings, role: &str) -> Vec<Finding> {
        let mut found = vec![self.session(settings)];
        found.extend(self.transactions(role));
        found.extend(self.time_limits(role));
        found.extend(self.upkeep(role));
        found
    }

    /// Whether what the scheduler sets for its sessions has arrived.
    fn session(&self, settings: &Settings) -> Finding {
        let millis = |limit: std::time::Duration| limit.as_millis().to_string();
        let wanted = [
            ("jit", "off".to_owned()),
            (
                "statement_timeout",
                millis(settings.database.statement_timeout),
            ),
            ("lock_timeout", millis(settings.database.lock_timeout)),
            (
                "idle_in_transaction_session_timeout",
                millis(cue_store::LONGEST_IDLE),
            ),
        ];
        let lost: Vec<&str> = wanted
            .iter()
            .filter(|(name, value)| !self.is(name, value))
            .map(|(name, _)| *name)
            .collect();
        if lost.is_empty() {
            let told = wanted.map(|(name, value)| format!("{name} {value}"));
            return Finding::ok(
                "settings",
                format!(
                    "the scheduler sets for its own sessions, whatever the server has: {} (milliseconds)",
                    told.join(", ")
                ),
            );
        }
        Finding::warn(
            "settings",
            format!(
                "{} did not reach the server: something between drops the options of a session",
                lost.join(", ")
            ),
            "connect without a pooler; each replica has its own pool",
        )
    }

    fn transactions(&self, role: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.is("default_transaction_read_only", "on") {
            found.push(Finding::fail(
                "settings",
                "transactions of this role are read only",
                format!("ALTER ROLE {role} SET default_transaction_read_only = off;"),
            ));
        }
        if !self.is("default_transaction_isolation", "read committed") {
            found.push(Finding::fail(
                "settings",
                "caps are counted after the lock on them is had, which needs the isolation read committed",
                format!("ALTER ROLE {role} SET default_transaction_isolation = 'read committed';"),
            ));
        }
        found
    }

    /// Limits that the scheduler leaves to the server.
    fn time_limits(&self, role: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        let name = "transaction_timeout";
        if let Some(limit) = self.limit(name).filter(|limit| *limit < LONGEST_IDLE_MS) {
            found.push(Finding::warn(
                "settings",
                format!(
                    "{name} is {limit} ms, and a batch keeps its transaction open while it queues"
                ),
                format!("ALTER ROLE {role} SET {name} = '{LONGEST_IDLE_MS}ms'; or more"),
            ));
        }
        if let Some(limit) = self.limit("idle_session_timeout") {
            found.push(Finding::warn(
                "settings",
                format!(
                    "idle_session_timeout is {limit} ms: it closes connections in the pool, and the next work on one fails and is tried again"
                ),
                format!("ALTER ROLE {role} SET idle_session_timeout = 0;"),
            ));
        }
        found
    }

    fn upkeep(&self, role: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.is("synchronous_commit", "off") {
            found.push(Finding::warn(
                "settings",
                "synchronous_commit is off: a crash of the server can lose bookings whose frames run already",
                format!("ALTER ROLE {role} SET synchronous_commit = on;"),
            ));
        }
        if self.is("autovacuum", "off") {
            found.push(Finding::warn(
                "settings",
                "autovacuum is off: every booking leaves old versions of rows behind, and statements grow slower",
                "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests;
