//! Statements by the server's own clock.
//!
//! Invariant: a statement that locks is rolled back, so every run finds the same rows.

use anyhow::Context;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};

use super::Cost;
use super::backlog::BATCH_FRAMES;
use crate::stats::Spread;

/// A statement, and what it is asked.
pub(super) struct Case {
    pub label: String,
    pub sql: &'static str,
    pub ask: Ask,
}

/// The arguments of a statement.
pub(super) enum Ask {
    /// The next frames of each of these layers.
    Frames(Vec<String>),
    /// Procs that nobody has reported.
    Silent,
    /// All facilities.
    Everywhere,
    /// None.
    Nothing,
}

/// Runs statements on a connection.
pub(super) struct Reader<'a>(pub &'a mut PgConnection);

impl Reader<'_> {
    /// What each costs; the first run of each does not count.
    pub async fn costs(&mut self, cases: &[Case], times: usize) -> anyhow::Result<Vec<Cost>> {
        let mut costs = Vec::new();
        for case in cases {
            let (mut all, mut pages) = (Vec::new(), 0);
            for _ in 0..times {
                let (ms, seen) = self.explained(case).await?;
                all.push(ms);
                pages = seen;
            }
            costs.push(Cost {
                ms: Spread::of(all.get(1..).unwrap_or_default()),
                pages,
            });
        }
        Ok(costs)
    }

    /// Milliseconds and pages of one run.
    async fn explained(&mut self, case: &Case) -> anyhow::Result<(f64, u64)> {
        let sql = format!(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) {}",
            case.sql
        );
        let mut tx = self.0.begin().await?;
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        let lines = case.ask.bind(query).fetch_all(&mut *tx).await?;
        tx.rollback().await?;
        read(&lines).with_context(|| format!("the server explained {} in another way", case.label))
    }
}

impl Ask {
    fn bind<'q>(
        &self,
        query: QueryScalar<'q, Postgres, String, PgArguments>,
    ) -> QueryScalar<'q, Postgres, String, PgArguments> {
        match self {
            Self::Frames(layers) => query
                .bind(layers.clone())
                .bind(vec![BATCH_FRAMES; layers.len()]),
            Self::Silent => query
                .bind(30.0_f64)
                .bind(Vec::<String>::new())
                .bind(100_i64),
            Self::Everywhere => query.bind(None::<String>),
            Self::Nothing => query,
        }
    }
}

/// The execution time, and the pages of the whole statement: its top node tells them first.
fn read(lines: &[String]) -> Option<(f64, u64)> {
    let time = lines
        .iter()
        .find_map(|line| line.trim().strip_prefix("Execution Time: "))?;
    let ms = time.trim_end_matches(" ms").parse().ok()?;
    let buffers = lines
        .iter()
        .find_map(|line| line.trim().strip_prefix("Buffers: shared "))?;
    let shared = buffers.split(',').next()?.split(' ');
    let pages = shared
        .filter_map(|part| {
            part.strip_prefix("hit=")
                .or_else(|| part.strip_prefix("read="))
        })
        .filter_map(|pages| pages.parse::<u64>().ok())
        .sum();
    Some((ms, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_pages_are_those_of_the_whole_statement() {
        let plan = [
            "Sort (actual rows=100 loops=1)",
            "  Buffers: shared hit=2227 read=3 dirtied=5, temp read=494 written=565",
            "  ->  Nested Loop (actual rows=100 loops=1)",
            "        Buffers: shared hit=7",
            "Planning Time: 0.397 ms",
            "Execution Time: 36.886 ms",
        ]
        .map(str::to_owned);
        assert_eq!(read(&plan), Some((36.886, 2_230)));
        assert_eq!(read(&plan[..3]), None);
    }
}
