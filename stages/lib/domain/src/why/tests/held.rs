//! Rows that other sessions hold, and facts that could not be read.

use super::*;
use crate::why::{Fact, HeldRow, Unread};

fn held(holder: Option<&str>, since: Option<u64>) -> Option<HeldRow> {
    Some(HeldRow {
        table: "limit_record".into(),
        holder: holder.map(Arc::from),
        since: since.map(Duration::from_secs),
    })
}

#[test]
fn a_row_that_a_session_holds_is_the_last_reason_and_holds_up_its_layer_alone() {
    let rules = FitRules::default();
    let mut facts = facts();
    let answer = |facts: &Facts| why(facts, &[host()], &scheduler(&rules));
    facts.layers[0].held = held(Some("psql (process 7)"), Some(125));
    let held_up = answer(&facts);
    assert_eq!(held_up.why.fault(), Some("held"));
    assert_eq!(
        held_up.sentence,
        "job shot waits for a lock: psql (process 7) holds a row of limit_record that it needs, in a transaction that began 2 min 5 s ago."
    );
    facts.layers[0].held = held(None, None);
    assert_eq!(
        answer(&facts).sentence,
        "job shot waits for a lock: another session holds a row of limit_record that it needs."
    );
    facts.layers.push(layer("second"));
    assert_eq!(answer(&facts).layer.as_deref(), Some("second"));
    facts.job.max_cores = 0;
    assert!(matches!(answer(&facts).why, Why::JobCores { .. }));
}

#[test]
fn a_fact_that_could_not_be_read_is_named_behind_the_answer() {
    let rules = FitRules::default();
    let mut facts = facts();
    let unread = |fact| Unread {
        fact,
        error: "statement x failed".to_owned(),
    };
    let sentence_of = |facts: &Facts| why(facts, &[], &scheduler(&rules)).sentence;
    facts.unread = vec![unread(Fact::Hosts)];
    assert_eq!(
        sentence_of(&facts),
        "job shot is kept by no rule but, it may be, those about hosts. The hosts could not be read: statement x failed."
    );
    facts.paused = true;
    facts.unread.push(unread(Fact::Locks));
    assert_eq!(
        sentence_of(&facts),
        "job shot does not run because its job is paused. The hosts could not be read: statement x failed. The locks of other sessions could not be read: statement x failed."
    );
}
