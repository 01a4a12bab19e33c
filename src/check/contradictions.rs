//! Rows that contradict each other: ledgers of hosts and their procs, counters and their frames.
//!
//! Invariant: the SQL that is printed locks the rows before it counts what they are about, in a statement
//! of its own, so it may run while the farm does.

use cue_domain::why::LedgerFault;
use cue_store::{Found, LeftOut, Miscount, Store};

use super::Finding;

/// Rows listed at most.
const ROWS: usize = 5;

/// Findings about rows that contradict each other.
pub(super) async fn contradictions(store: &Store) -> Vec<Finding> {
    let ledgers = match store.ledger_faults(ROWS).await {
        Ok(found) => ledgers(&found),
        Err(error) => Finding::unanswered("ledgers", &error),
    };
    let counters = match store.miscounts(ROWS).await {
        Ok(found) => counters(&found),
        Err(error) => Finding::unanswered("counters", &error),
    };
    vec![ledgers, counters]
}

/// Hosts whose rows cannot be used.
pub(super) fn left_out(hosts: &[LeftOut]) -> Option<Finding> {
    let first = hosts.first()?;
    let more = match hosts.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(Finding::warn(
        "hosts",
        format!("{} is left out: {}{more}", first.host, first.reason),
        "set the value right; a host is used from the next reading on",
    ))
}

fn ledgers(found: &Found<LedgerFault>) -> Finding {
    if found.all == 0 {
        return Finding::ok("ledgers", "every host has idle what its procs leave");
    }
    let says = found.first.iter().map(|fault| {
        format!(
            "{} has {} idle, its procs leave {}",
            fault.name, fault.ledger, fault.left
        )
    });
    let names = found.first.iter().map(|fault| literal(&fault.name));
    let names = names.collect::<Vec<_>>().join(", ");
    Finding::warn(
        "ledgers",
        listed(says.collect(), found.all),
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
        return Finding::ok(
            "counters",
            "every counter of waiting frames is their number, in jobs of shows handed over",
        );
    }
    let says = found.first.iter().map(|one| {
        let whose = match &one.layer {
            Some(layer) => format!("layer {layer} of job {}", one.job),
            None => format!("job {}", one.job),
        };
        format!(
            "{whose} counts {} waiting, it has {}",
            one.counted, one.waiting
        )
    });
    let mut jobs: Vec<String> = found.first.iter().map(|one| literal(&one.job)).collect();
    jobs.dedup();
    let jobs = format!(
        "(SELECT pk_job FROM job WHERE str_state = 'PENDING' AND str_name IN ({}))",
        jobs.join(", ")
    );
    Finding::warn(
        "counters",
        listed(says.collect(), found.all),
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

/// The rows that were found, and how many there are beside them.
fn listed(mut rows: Vec<String>, all: usize) -> String {
    let more = all.saturating_sub(rows.len());
    if more > 0 {
        rows.push(format!("and {more} more"));
    }
    rows.join("; ")
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use cue_domain::{Centicores, Resources};

    use super::super::Verdict;
    use super::*;

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
             b has 0 cores and 0 GiB idle, its procs leave 8 cores and 0 GiB; and 7 more"
        );
        assert!(finding.advice.unwrap().contains("IN ('o''hara', 'b')"));
    }
}
