//! Rows that contradict each other: ledgers of hosts and their procs, counters and their frames.
//!
//! Invariant: it only reads, each question in one statement and so at one moment, and takes no lock.

use cue_domain::LayerId;
use cue_domain::why::{LedgerFault, WaitingCount};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, held, id, idle, total};
use crate::statements::{CHECK_COUNTERS, LEDGER_FAULTS, WHY_COUNTERS};

/// The first rows that were found, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// The first ones, by name.
    pub first: Vec<T>,
    /// All of them.
    pub all: usize,
}

/// A counter of waiting frames that is not their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miscount {
    /// The job.
    pub job: String,
    /// The layer; none where the counter is the job's.
    pub layer: Option<String>,
    /// Value of the counter.
    pub counted: i64,
    /// Waiting frames.
    pub waiting: i64,
}

impl Store {
    /// Hosts whose ledger is not what their procs leave, `most` of them at most.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn ledger_faults(&self, most: usize) -> Result<Found<LedgerFault>, StoreError> {
        let name = LEDGER_FAULTS.name;
        let query = sqlx::query(LEDGER_FAULTS.sql).bind(bound(most));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&LEDGER_FAULTS, query, &mut conn).await?;
        let all = rows.first().map(|row| get::<i64>(row, name, "hosts"));
        let fault = |row| {
            Ok(LedgerFault {
                host: id(row, name, "pk_host")?,
                name: get(row, name, "str_name")?,
                ledger: idle(row, name)?,
                left: total(row, name)?.minus(&held(row, name)?),
            })
        };
        let first = rows.iter().map(fault).collect::<Result<_, StoreError>>()?;
        Ok(Found {
            first,
            all: count(all.transpose()?),
        })
    }

    /// Counters of waiting frames in managed shows that are not their number, `most` of them at most.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn miscounts(&self, most: usize) -> Result<Found<Miscount>, StoreError> {
        let name = CHECK_COUNTERS.name;
        let query = sqlx::query(CHECK_COUNTERS.sql).bind(bound(most));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_COUNTERS, query, &mut conn).await?;
        let all = rows.first().map(|row| get::<i64>(row, name, "counters"));
        let miscount = |row| {
            Ok(Miscount {
                job: get(row, name, "job_name")?,
                layer: get(row, name, "layer_name")?,
                counted: get(row, name, "counted")?,
                waiting: get(row, name, "waiting")?,
            })
        };
        let first = rows
            .iter()
            .map(miscount)
            .collect::<Result<_, StoreError>>()?;
        Ok(Found {
            first,
            all: count(all.transpose()?),
        })
    }

    /// Waiting frames of all layers of the job that this layer is of, and what the counters say.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn waiting_counts(&self, layer: &LayerId) -> Result<Vec<WaitingCount>, StoreError> {
        let name = WHY_COUNTERS.name;
        let query = sqlx::query(WHY_COUNTERS.sql).bind(layer.as_str().to_owned());
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&WHY_COUNTERS, query, &mut conn).await?;
        let read = |row| {
            Ok(WaitingCount {
                layer: id(row, name, "pk_layer")?,
                counted: get(row, name, "counted")?,
                counted_in_job: get(row, name, "counted_in_job")?,
                waiting: get(row, name, "waiting")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

fn bound(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn count(all: Option<i64>) -> usize {
    usize::try_from(all.unwrap_or(0)).unwrap_or(usize::MAX)
}
