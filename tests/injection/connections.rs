//! Faults of connections and of the server.

use std::time::Duration;

use crate::farm::Setting;
use crate::fault::{Backends, End, Fault, Reached, end_sessions};
use crate::line::Mode;
use crate::row::{OUTAGE, Row, Victim};

/// Rows beside a server that everybody shares.
pub fn lines() -> Vec<Row> {
    let refuse = |strike: &str, lift: &str| {
        Fault::Setting(
            format!("ALTER DATABASE {{db}} {strike}"),
            format!("ALTER DATABASE {{db}} {lift}"),
        )
    };
    let read_only = |strike: &str| refuse(strike, "RESET default_transaction_read_only");
    vec![
        // So long that the breaker opens for longer and longer.
        Row::stands("line closed for 12 s", Fault::Line(Mode::Closed)).lasting(12),
        Row::stands("line reset", Fault::Line(Mode::Reset)),
        Row::stands("line swallows everything", Fault::Line(Mode::Swallow)).lasting(8),
        Row::silences(
            "line swallows half of the connections",
            Fault::Line(Mode::SwallowHalf),
        ),
        Row::recovers(
            "every session terminated every 2 s",
            Fault::Again(end_sessions(), Duration::from_secs(2)),
        )
        .lasting(5),
        Row::stands(
            "no connections allowed",
            // A limit of 0 turns away everybody but superusers, too.
            refuse("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"),
        ),
        Row::stands(
            "sessions that are read-only",
            read_only("SET default_transaction_read_only = on"),
        ),
    ]
}

/// Rows about the connections of a role that is no superuser.
pub fn roles() -> Vec<Row> {
    let role = |strike: &str, lift: &str| {
        Fault::Setting(
            format!("ALTER ROLE {{role}} {strike}"),
            format!("ALTER ROLE {{role}} {lift}"),
        )
    };
    let too_many = |most: u32| {
        let strike = format!("CONNECTION LIMIT {most}");
        role(&strike, "CONNECTION LIMIT -1")
    };
    vec![
        Row::stands(
            "53300 (too many connections) for every session",
            too_many(0),
        )
        .on(Setting::OwnRole),
        Row::recovers("53300 for all but three sessions", too_many(3))
            .lasting(6)
            .on(Setting::OwnRole),
        Row::stands("role may not log in", role("NOLOGIN", "LOGIN")).on(Setting::OwnRole),
    ]
}

/// Rows that end a server, or processes of it.
pub fn servers() -> Vec<Row> {
    let server = |end| Fault::Server(end);
    let rows = [
        Row {
            // A stopped session keeps its rows, those of its show's subscription among them.
            victim: Victim::Unexplained,
            back: OUTAGE,
            ..Row::goes_on(
                "backend stopped within a booking",
                Fault::Stop(Backends::Booking),
            )
            .only_other_show()
            .lasting(7)
        },
        Row::silences("every second backend stopped", Fault::Stop(Backends::Half)),
        Row::silences("every backend stopped", Fault::Stop(Backends::All)),
        Row::stands("server stopped and started", server(End::Fast)),
        Row::stands("server stopped at once", server(End::Immediate)),
        Row::recovers("backend killed, server recovers", server(End::Crash)),
    ];
    rows.map(|row| row.on(Setting::OwnServer)).into()
}

/// Rows that lose a server which has a standby.
pub fn failovers() -> Vec<Row> {
    let row = |name: &str, reached| Row::stands(name, Fault::Failover(reached)).on(Setting::Pair);
    vec![
        row("server lost, standby takes its place", Reached::Nobody),
        row(
            "server lost, standby reached before it takes writes",
            Reached::Standby,
        ),
    ]
}
