//! A session, and what a statement costs in it that is planned for the moment, as the store has it.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::cases::{BATCH, Case};

/// Arguments by statement, as SQL literals.
pub type Arguments = HashMap<&'static str, String>;

/// The arguments of all cases on the farm as it is.
pub async fn arguments(pool: &PgPool, cases: &[Case]) -> Arguments {
    sqlx::raw_sql(BATCH).execute(pool).await.unwrap();
    let mut all = Arguments::new();
    for case in cases {
        let texts = case.arguments.iter();
        let texts: Vec<String> = texts
            .map(|argument| format!("quote_nullable(({argument})::text)"))
            .collect();
        let sql = format!("SELECT ARRAY[{}]::text[]", texts.join(", "));
        let literals = sqlx::query_scalar::<_, Vec<String>>(AssertSqlSafe(sql));
        let literals = literals.fetch_one(pool).await.unwrap();
        let list = literals.join(", ");
        let list = if list.is_empty() {
            list
        } else {
            format!("({list})")
        };
        all.insert(case.statement.name, list);
    }
    all
}

/// A session.
pub struct Session(PgConnection);

impl Session {
    pub async fn open(url: &str) -> Self {
        let mut conn = PgConnection::connect(url).await.unwrap();
        run(&mut conn, "SET jit = off").await;
        Self(conn)
    }

    /// Runs a statement for good.
    pub async fn execute(&mut self, case: &Case, arguments: &Arguments) {
        self.prepare(case).await;
        let name = case.statement.name;
        run(
            &mut self.0,
            &format!("EXECUTE {name}{}; DEALLOCATE {name}", arguments[name]),
        )
        .await;
    }

    /// Prepares a statement again, so that its plan is for the values of its next execution.
    async fn prepare(&mut self, case: &Case) {
        let (name, sql) = (case.statement.name, case.statement.sql);
        run(&mut self.0, &format!("PREPARE {name} AS {sql}")).await;
    }

    /// Runs a statement without the triggers, which are OpenCue's, and takes back what it wrote. Returns the
    /// pages that it read, or of a statement that writes the rows: its pages are those of free space, too.
    pub async fn cost(&mut self, case: &Case, arguments: &Arguments) -> i64 {
        let (plan, rows) = self.explain(case, arguments).await;
        pages(&plan).unwrap_or(rows)
    }

    /// Runs a statement in the same way. Returns the rows that the nodes of its plan went through, those of lists and
    /// sums in memory as well.
    pub async fn work(&mut self, case: &Case, arguments: &Arguments) -> i64 {
        let (plan, _) = self.explain(case, arguments).await;
        visited(&plan)
    }

    /// The plan of a run that is taken back, and the rows of tables that were read.
    async fn explain(&mut self, case: &Case, arguments: &Arguments) -> (Vec<String>, i64) {
        self.prepare(case).await;
        let name = case.statement.name;
        let mut tx = self.0.begin().await.unwrap();
        run(&mut tx, "SET LOCAL session_replication_role = replica").await;
        let before = rows_read(&mut tx).await;
        let sql = format!(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) EXECUTE {name}{}",
            arguments[name]
        );
        let lines = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).persistent(false);
        let lines = lines.fetch_all(&mut *tx).await;
        let lines = lines.unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = rows_read(&mut tx).await - before;
        tx.rollback().await.unwrap();
        run(&mut self.0, &format!("DEALLOCATE {name}")).await;
        (lines, rows)
    }
}

async fn rows_read(conn: &mut PgConnection) -> i64 {
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables";
    sqlx::query_scalar(read).fetch_one(conn).await.unwrap()
}

async fn run(conn: &mut PgConnection, sql: &str) {
    let text = AssertSqlSafe(sql.to_owned());
    if let Err(error) = sqlx::raw_sql(text).execute(conn).await {
        panic!("{error}: {sql}");
    }
}

/// The pages of a statement that writes nothing: its top node says them first.
fn pages(plan: &[String]) -> Option<i64> {
    let writes = |line: &String| {
        let line = line.trim_start_matches([' ', '-', '>']);
        ["Update on", "Insert on", "Delete on"]
            .iter()
            .any(|node| line.starts_with(node))
    };
    if plan.iter().any(writes) {
        return None;
    }
    let shared = plan
        .iter()
        .find_map(|line| line.trim().strip_prefix("Buffers: shared "));
    let Some(shared) = shared.and_then(|shared| shared.split(',').next()) else {
        return Some(0);
    };
    let parts = shared.split(' ');
    let parts = parts.filter_map(|part| {
        part.strip_prefix("hit=")
            .or_else(|| part.strip_prefix("read="))
    });
    Some(parts.map(|pages| pages.parse::<i64>().unwrap()).sum())
}

/// The rows that each node returned and left out, in all its loops.
fn visited(plan: &[String]) -> i64 {
    let number = |text: &str| -> Option<f64> {
        let digits = text.split([' ', ')']).next()?;
        digits.parse().ok()
    };
    let (mut all, mut loops) = (0.0, 0.0);
    for line in plan {
        if let Some((_, actual)) = line.split_once("(actual rows=") {
            let rows = number(actual).unwrap();
            loops = number(actual.split_once("loops=").unwrap().1).unwrap();
            all += rows * loops;
        } else if let Some((_, removed)) = line.split_once("Rows Removed by ") {
            let (_, rows) = removed.split_once(": ").unwrap();
            all += number(rows).unwrap() * loops;
        }
    }
    all as i64
}
