//! Rows that contradict each other: ledgers of hosts and their procs, counters and their frames.
//!
//! Invariant: the SQL that is printed locks the rows before it counts what they are about, in a statement
//! of its own, so it may run while the farm does.

use cue_domain::why::LedgerFault;
use cue_store::{Found, LeftOut, Miscount, Store, Unreadable};

use super::finding::{Finding, judged, ok, warn};
use super::names::listed;

/// Rows listed at most.
const ROWS: usize = 5;

/// Findings about rows that contradict each other.
pub(super) async fn contradictions(store: &Store) -> Vec<Finding> {
    let mut found = judged("ledgers", store.ledger_faults(ROWS).await, |found| {
        [ledgers(&found)]
    });
    found.extend(judged("counters", store.miscounts(ROWS).await, |found| {
        [counters(&found)]
    }));
    found
}

/// Hosts whose rows cannot be used.
pub(super) fn left_out(hosts: &[LeftOut]) -> Option<Finding> {
    let first = hosts.first()?;
    let first = format!("{} is left out: {}", first.host, first.reason);
    Some(warn(
        listed([first].iter(), "", hosts.len()),
        "set the value right; a host is used from the next reading on",
    ))
}

/// Values that the other questions could not read.
pub(super) fn unreadable(values: &[Unreadable]) -> Vec<Finding> {
    let finding = |found: &Unreadable| {
        warn(
            format!(
                "{} values that {} reads cannot be read and are left out, as {}",
                found.count, found.statement, found.example
            ),
            "write them again as UTF-8; a database whose encoding is SQL_ASCII keeps any bytes",
        )
        .about("rows")
    };
    values.iter().map(finding).collect()
}

fn ledgers(found: &Found<LedgerFault>) -> Finding {
    if found.all == 0 {
        return ok("every host has idle what its procs leave");
    }
    let says = found.first.iter().map(|fault| {
        let (name, ledger, left) = (&fault.name, fault.ledger, fault.left);
        format!("{name} has {ledger} idle, its procs leave {left}")
    });
    let names = found.first.iter().map(|fault| literal(&fault.name));
    let names = names.collect::<Vec<_>>().join(", ");
    warn(
        listed(says, "; ", found.all),
        format!(
            "BEGIN; SELECT FROM host WHERE str_name IN ({names}) ORDER BY pk_host FOR UPDATE; \
             UPDATE host h SET (int_cores_idle, int_mem_idle, int_gpus_idle, int_gpu_mem_idle) = \
             (SELECT greatest(h.int_cores - coalesce(sum(p.int_cores_reserved), 0), 0), \
             greatest(h.int_mem - coalesce(sum(p.int_mem_reserved), 0), 0), \
             greatest(h.int_gpus - coalesce(sum(p.int_gpus_reserved), 0), 0), \
             greatest(h.int_gpu_mem - coalesce(sum(p.int_gpu_mem_reserved), 0), 0) \
             FROM proc p WHERE p.pk_host = h.pk_host) WHERE h.str_name IN ({names}); COMMIT;"
        ),
    )
}

fn counters(found: &Found<Miscount>) -> Finding {
    if found.all == 0 {
        return ok("every counter of waiting frames is their number, in jobs of shows handed over");
    }
    let says = found.first.iter().map(|row| {
        let (job, counted, waiting) = (&row.job, row.counted, row.waiting);
        let layer = row.layer.as_ref().map(|layer| format!("layer {layer} of "));
        let layer = layer.unwrap_or_default();
        format!("{layer}job {job} counts {counted} waiting, it has {waiting}")
    });
    let mut jobs: Vec<String> = found.first.iter().map(|row| literal(&row.job)).collect();
    jobs.dedup();
    let jobs = format!(
        "(SELECT pk_job FROM job WHERE str_state = 'PENDING' AND str_name IN ({}))",
        jobs.join(", ")
    );
    warn(
        listed(says, "; ", found.all),
        format!(
            "BEGIN; SELECT FROM layer_stat WHERE pk_job IN {jobs} ORDER BY pk_layer FOR UPDATE; \
             SELECT FROM job_stat WHERE pk_job IN {jobs} ORDER BY pk_job FOR UPDATE; \
             UPDATE layer_stat s SET int_waiting_count = (SELECT count(*) FROM frame f WHERE f.pk_layer = s.pk_layer \
             AND f.str_state = 'WAITING') WHERE s.pk_job IN {jobs}; \
             UPDATE job_stat s SET int_waiting_count = (SELECT count(*) FROM frame f WHERE f.pk_job = s.pk_job \
             AND f.str_state = 'WAITING') WHERE s.pk_job IN {jobs}; COMMIT;"
        ),
    )
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use cue_domain::{Centicores, Resources};

    use super::*;
    use crate::check::Verdict;

    #[test]
    fn hosts_are_named_and_a_quote_ends_no_literal() {
        let fault = |name: &str| LedgerFault {
            host: name.into(),
            name: name.to_owned(),
            ledger: Resources::NONE,
            left: Resources {
                cores: Centicores::cores(8),
                ..Resources::NONE
            },
        };
        let found = Found {
            first: vec![fault("o'hara"), fault("b")],
            all: 9,
        };
        let finding = ledgers(&found);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert_eq!(
            finding.says,
            "o'hara has 0 cores and 0 GiB idle, its procs leave 8 cores and 0 GiB; \
             b has 0 cores and 0 GiB idle, its procs leave 8 cores and 0 GiB and 7 more"
        );
        assert!(finding.advice.unwrap().contains("IN ('o''hara', 'b')"));
    }
}
