//! Settings of the database or the role, and sessions of others that stay open.

use crate::fault::Fault;
use crate::row::Row;

/// Settings under which the service must book as ever.
const SETTINGS: [&[(&str, &str)]; 6] = [
    &[
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_deferrable", "on"),
    ],
    &[("default_transaction_isolation", "'repeatable read'")],
    &[
        ("statement_timeout", "'1ms'"),
        ("lock_timeout", "'1ms'"),
        ("idle_in_transaction_session_timeout", "'1ms'"),
    ],
    &[("search_path", "nowhere, public")],
    &[
        ("TimeZone", "'Asia/Kolkata'"),
        ("DateStyle", "'German'"),
        ("IntervalStyle", "'sql_standard'"),
        ("bytea_output", "'escape'"),
        ("standard_conforming_strings", "off"),
        ("extra_float_digits", "-15"),
        ("client_min_messages", "debug1"),
        ("row_security", "off"),
    ],
    &[
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "on"),
        ("jit_above_cost", "0"),
        ("work_mem", "'64kB'"),
        ("enable_indexscan", "off"),
        ("enable_hashjoin", "off"),
    ],
];

/// Rows with some settings each.
pub fn settings() -> Vec<Row> {
    let row = |settings: &&[(&str, &str)]| {
        let each = |words: &dyn Fn(&str, &str) -> String| {
            let all = settings.iter().map(|(name, value)| words(name, value));
            all.collect::<Vec<_>>().join("; ")
        };
        let fault = Fault::Setting(
            each(&|name, value| format!("ALTER DATABASE {{db}} SET {name} = {value}")),
            each(&|name, _| format!("ALTER DATABASE {{db}} RESET {name}")),
        );
        let names: Vec<_> = settings.iter().map(|(name, _)| *name).collect();
        let mut name = names.join(", ");
        name.truncate(60);
        Row::recovers(name, fault)
    };
    SETTINGS.iter().map(row).collect()
}

/// Rows in which others keep transactions open.
pub fn sessions() -> Vec<Row> {
    let open =
        |name: &str, statements: &str| Row::goes_on(name, Fault::Open(statements.to_owned()));
    vec![
        open(
            "old snapshot of somebody else",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM frame",
        ),
        open(
            "backup of the whole database",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE job, layer, frame, host, proc, subscription IN ACCESS SHARE MODE; SELECT count(*) FROM job, layer",
        ),
        open(
            "advisory locks of somebody else",
            "SELECT pg_advisory_lock(n) FROM generate_series(1, 1000) AS n; SELECT pg_advisory_unlock_all()",
        ),
    ]
}

/// Rows in which the clock of the database has stepped by an hour: all that was written before lies elsewhere.
pub fn clocks() -> Vec<Row> {
    let shift = |sign: &str| {
        let hour = format!("{sign} interval '1 hour'");
        format!(
            "UPDATE proc SET ts_booked = ts_booked {hour}, ts_ping = ts_ping {hour}, ts_dispatched = ts_dispatched {hour};
             UPDATE job SET ts_started = ts_started {hour}, ts_updated = ts_updated {hour}"
        )
    };
    // Hosts report again soon after a step forward; those from before a step back are from the future.
    let pings =
        |sign: &str| format!("UPDATE host_stat SET ts_ping = ts_ping {sign} interval '1 hour'");
    vec![
        Row::goes_on(
            "clock of the database steps forward",
            Fault::Statements(shift("-"), "SELECT 1".to_owned()),
        ),
        Row::goes_on(
            "clock of the database steps back",
            Fault::Statements(format!("{}; {}", shift("+"), pings("+")), pings("-")),
        ),
    ]
}
