//! Tests of contention run on several threads.

use super::root;

/// Files whose tests are about several tasks, replicas or sessions that want the same rows.
const CONTENTION: [&str; 25] = [
    "stages/lib/store/tests/database/ledger.rs",
    "stages/lib/store/tests/database/limits.rs",
    "stages/lib/store/tests/database/locks.rs",
    "stages/lib/store/tests/database/undo.rs",
    "tests/accounts/farm.rs",
    "tests/accounts/heal.rs",
    "tests/accounts/hung.rs",
    "tests/accounts/leader.rs",
    "tests/chaos/away.rs",
    "tests/chaos/storm.rs",
    "tests/farm/caps.rs",
    "tests/farm/replicas.rs",
    "tests/faults/acknowledged.rs",
    "tests/faults/caps.rs",
    "tests/faults/conflicts.rs",
    "tests/faults/contention.rs",
    "tests/faults/forgotten.rs",
    "tests/faults/held.rs",
    "tests/faults/killed.rs",
    "tests/faults/midway.rs",
    "tests/faults/retried.rs",
    "tests/limits/table.rs",
    "tests/simfarm/tests/bookkeeping/completion.rs",
    "tests/staying_up/settled.rs",
    "tests/staying_up/wasted.rs",
];

#[test]
fn contention_is_tested_on_eight_worker_threads() {
    for file in CONTENTION {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let mut tests = text
            .lines()
            .filter(|line| line.starts_with("#[tokio::test"))
            .peekable();
        assert!(tests.peek().is_some(), "{file} has no test");
        for test in tests {
            assert!(test.contains("worker_threads = 8"), "{file}: {test}");
        }
    }
}
