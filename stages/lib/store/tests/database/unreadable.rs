//! Texts that are no UTF-8, in every text column of a database whose encoding is SQL_ASCII: they cost the row they
//! are in, and no other.

use std::collections::BTreeSet;

use cue_simfarm::postgres::TestDb;

use crate::extremes::attempt::{Case, Tried};
use crate::extremes::world::World;

/// Two bytes that begin no sign of UTF-8, in the middle of a text.
const BAD: &str = "E'a\\xe9\\xff|b'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_is_not_utf8_costs_its_own_row_only() {
    let world = World::open(TestDb::encoded("SQL_ASCII").await).await;
    let of = |column: &str, kind: &str| {
        let is_text = kind == "character varying" && !column.starts_with("pk_");
        is_text.then(|| BAD.to_owned()).into_iter().collect()
    };
    let cases = Case::all(&world, of).await;
    let (mut fine, mut faults, mut refused) = (0, Vec::new(), BTreeSet::new());
    for case in &cases {
        let column = format!("{}.{}", case.table, case.set[0].0);
        match case.attempt(&world).await {
            Ok(Tried::Illegal) => {}
            Ok(Tried::Fine) => fine += 1,
            Ok(Tried::Refused) => {
                refused.insert(column);
            }
            Err(fault) => faults.push(format!("{column}: {fault}")),
        }
    }
    assert!(
        faults.is_empty(),
        "{}:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(
        fine > 30,
        "{fine} of {}, refused are {refused:?}",
        cases.len()
    );
    // The texts of a launch are read when the frames are locked already.
    assert!(refused.contains("layer.str_cmd"), "{refused:?}");
    let said = world.store.unreadable();
    let of = |statement| said.iter().find(|found| found.statement == statement);
    for statement in [
        "host_tags",
        "demand_jobs",
        "demand_layers",
        "wanted_layers",
        "unlaunched_procs",
    ] {
        assert!(of(statement).is_some(), "{statement}: {said:?}");
    }
    // The same value is said once, though every statement has met it again and again.
    let tags = of("host_tags").unwrap();
    assert_eq!(tags.count, 1, "{tags:?}");
    assert!(tags.example.contains("tags holds \"a"), "{}", tags.example);
}
