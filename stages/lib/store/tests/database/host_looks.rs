//! Looks at hosts: a mirror kept by them equals the database, whatever others do meanwhile.
//!
//! Rows that others can see change with a commit only, so no commit happens during a comparison.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Host, HostId};
use cue_simfarm::dice::Dice;
use cue_store::{HostCursor, HostRows, Store};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::RwLock;

use crate::writers;
use crate::yard::Yard;

const HOSTS: usize = 12;

/// Changes of a writer to the rows of one host.
const CHANGES: [&str; 5] = [
    "UPDATE host SET int_cores_idle = 100 * {n} WHERE str_name = '{host}'",
    "UPDATE host SET str_lock_state = CASE str_lock_state WHEN 'OPEN' THEN 'LOCKED' ELSE 'OPEN' END
     WHERE str_name = '{host}'",
    "UPDATE host_stat SET int_mem_free = 1048576 * {n} FROM host h
     WHERE h.pk_host = host_stat.pk_host AND h.str_name = '{host}'",
    "UPDATE host_stat SET str_state = CASE str_state WHEN 'UP' THEN 'DOWN' ELSE 'UP' END FROM host h
     WHERE h.pk_host = host_stat.pk_host AND h.str_name = '{host}'",
    "UPDATE host SET int_thread_mode = {n} - 1 WHERE str_name = '{host}'",
];

/// A mirror with the cursor of its last look.
#[derive(Default)]
struct Reader {
    hosts: BTreeMap<HostId, Host>,
    cursor: HostCursor,
}

impl Reader {
    async fn look(&mut self, store: &Store) -> HostRows {
        let (rows, cursor) = store.open_hosts(None, None, &self.cursor).await.unwrap();
        self.cursor = cursor;
        if rows.complete {
            self.hosts.clear();
        }
        for host in &rows.closed {
            self.hosts.remove(host);
        }
        let open = rows.hosts.iter().cloned();
        self.hosts.extend(open.map(|host| (host.id.clone(), host)));
        rows
    }

    async fn compare(&mut self, store: &Store, when: &str) {
        let rows = self.look(store).await;
        assert!(!rows.complete, "{when}");
        let mut all = Self::default();
        all.look(store).await;
        assert_eq!(self.hosts, all.hosts, "{when}");
    }
}

fn name(n: usize) -> String {
    format!("h{n:02}")
}

async fn write(pool: &PgPool, dice: &mut Dice, commits: &RwLock<()>) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    // In the order of their names, so that writers seldom wait for each other in a circle.
    for host in (0..HOSTS)
        .filter(|_| dice.below(4) == 0)
        .collect::<Vec<_>>()
    {
        let n = (dice.below(4) + 1).to_string();
        let change = dice.pick(&CHANGES).unwrap();
        let change = change.replace("{host}", &name(host)).replace("{n}", &n);
        let end = *dice
            .pick(&["", "; ROLLBACK TO SAVEPOINT a", "; RELEASE SAVEPOINT a"])
            .unwrap();
        let sql = format!("SAVEPOINT a; {change}{end}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        tokio::time::sleep(dice.ms(0, 4)).await;
    }
    writers::end(tx, dice, commits).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_kept_by_looks_are_those_of_the_database_among_writers() {
    let yard = Yard::new().await;
    for n in 0..HOSTS {
        yard.host(&name(n)).await;
    }
    let mut reader = Reader::default();
    assert!(reader.look(&yard.store).await.complete);
    let commits = Arc::new(RwLock::new(()));
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..6 {
        let (pool, commits) = (yard.db.pool.clone(), Arc::clone(&commits));
        writers.spawn(async move {
            let mut dice = Dice::new(seed + 1);
            loop {
                // A deadlock is a rollback as well.
                drop(write(&pool, &mut dice, &commits).await);
            }
        });
    }
    let (mut changed, mut closed) = (0, 0);
    for n in 0..40_u32 {
        for _ in 0..n % 5 {
            let rows = reader.look(&yard.store).await;
            changed += rows.hosts.len();
            closed += rows.closed.len();
            tokio::time::sleep(Duration::from_millis(u64::from(n % 7) * 5)).await;
        }
        let quiet = commits.write().await;
        reader
            .compare(&yard.store, &format!("comparison {n}"))
            .await;
        drop(quiet);
    }
    // A commit under way would go on without its writer.
    let _closed = commits.write().await;
    writers.shutdown().await;
    reader.compare(&yard.store, "at the end").await;
    assert!(changed > 0 && closed > 0, "{changed} {closed}");
}

#[tokio::test]
async fn a_quiet_farm_has_nothing_to_read() {
    let yard = Yard::new().await;
    for n in 0..3 {
        yard.host(&name(n)).await;
    }
    let mut reader = Reader::default();
    reader.look(&yard.store).await;
    // Transactions that are open in the databases of other tests count, too.
    while !reader.look(&yard.store).await.hosts.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rows = reader.look(&yard.store).await;
    assert!(!rows.complete && rows.closed.is_empty() && rows.left_out.is_empty());
    assert_eq!(reader.hosts.len(), 3);
}
