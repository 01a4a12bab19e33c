//! Values at the ends of every number and time column: whatever a row holds, no statement fails, and the jobs
//! beside it are booked and taken back.

pub mod attempt;
pub mod world;

use std::collections::BTreeSet;

use cue_simfarm::audit::audit;
use cue_simfarm::schema::SchemaVersion;

use attempt::{Case, Tried};
use cue_simfarm::postgres::TestDb;
use world::World;

/// Columns that triggers of OpenCue count up or down, so that a booking or an undo of that row fails in them.
const COUNTED_BY_TRIGGERS: &[&str] = &[
    "job_stat.int_running_count",
    "job_stat.int_waiting_count",
    "layer_stat.int_running_count",
];

/// Values at the ends of a type.
fn values(kind: &str) -> &'static [&'static str] {
    match kind {
        "smallint" => &["-32768", "32767"],
        "integer" => &["-2147483648", "2147483647"],
        "bigint" => &["-9223372036854775808", "9223372036854775807"],
        "timestamp with time zone" => &[
            "infinity",
            "-infinity",
            "0001-01-01 00:00+00",
            "9999-12-31 00:00+00",
            "294276-12-31 23:59:59.999999+00",
            "4713-01-01 00:00+00 BC",
        ],
        "numeric" | "double precision" | "real" => &["NaN"],
        _ => &[],
    }
}

/// Values of two columns that only together leave a range.
const PAIRS: &[(&str, &[(&str, &str)])] = &[
    (
        "subscription",
        &[
            ("int_burst", "9223372036854775807"),
            ("int_cores", "-2147483648"),
        ],
    ),
    (
        "folder_resource",
        &[
            ("int_max_cores", "2147483647"),
            ("int_cores", "-2147483648"),
        ],
    ),
    (
        "folder_resource",
        &[("int_max_cores", "-1"), ("int_cores", "2147483647")],
    ),
    (
        "job_resource",
        &[
            ("int_max_cores", "2147483647"),
            ("int_cores", "-9223372036854775808"),
        ],
    ),
    (
        "job_resource",
        &[
            ("int_max_cores", "-2147483648"),
            ("int_cores", "9223372036854775807"),
        ],
    ),
    (
        "frame",
        &[
            ("int_retries", "9223372036854775807"),
            ("int_exit_status", "1"),
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_a_row_fails_a_statement_or_keeps_other_jobs_from_being_booked() {
    let world = World::open(TestDb::at(SchemaVersion::V51).await).await;
    let quoted = |value: &&str| format!("'{value}'");
    let mut cases = Case::all(&world, |_, kind| values(kind).iter().map(quoted).collect()).await;
    for (table, values) in PAIRS {
        let values = values
            .iter()
            .map(|(column, value)| ((*column).to_owned(), quoted(value)));
        cases.push(Case::new(&world, table, values.collect()));
    }
    let (mut illegal, mut faults, mut refused) = (Vec::new(), Vec::new(), BTreeSet::new());
    for case in &cases {
        let name = format!("{} {:?}", case.table, case.set);
        match case.attempt(&world).await {
            Ok(Tried::Fine) => {}
            Ok(Tried::Illegal) => illegal.push(name),
            Ok(Tried::Refused) => {
                refused.insert(format!("{}.{}", case.table, case.set[0].0));
            }
            Err(fault) => faults.push(format!("{name}: {fault}")),
        }
    }
    let tried = cases.len();
    assert!(
        faults.is_empty(),
        "{} of {tried}:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(
        tried > 200 && illegal.len() < tried / 4,
        "of {tried} are not legal {illegal:?}"
    );
    let known: BTreeSet<String> = COUNTED_BY_TRIGGERS
        .iter()
        .map(|&column| column.to_owned())
        .collect();
    assert_eq!(refused, known);
    let audit = audit(&world.db.pool, None).await.unwrap();
    assert!(audit.is_ok(), "{audit}");
}
