//! Rows that contradict each other: ledgers of hosts and their procs, counters and their frames.
//!
//! Invariant: it only reads, each question in one statement and so at one moment, and takes no lock.

use cue_domain::LayerId;
use cue_domain::why::{LedgerFault, WaitingCount};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{Row, Text};
use crate::statements::{CHECK_COUNTERS, LEDGER_FAULTS, WHY_COUNTERS, query};

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
    pub async fn ledger_faults(&self, most: usize) -> Result<Found<LedgerFault>, StoreError> {
        let query = query(&LEDGER_FAULTS).bind(bound(most));
        let rows = self.fetch(&LEDGER_FAULTS, query).await?;
        let all = rows.first().map(|row| row.get::<i64>("hosts"));
        let fault = |row: &Row| {
            Ok(LedgerFault {
                host: row.id("pk_host")?,
                name: row.shown("str_name")?,
                ledger: row.idle()?,
                left: row.total()?.minus(&row.held()?),
            })
        };
        let first = rows.iter().map(fault).collect::<Result<_, StoreError>>()?;
        Ok(Found {
            first,
            all: count(all.transpose()?),
        })
    }

    /// Counters of waiting frames in managed shows that are not their number, `most` of them at most.
    pub async fn miscounts(&self, most: usize) -> Result<Found<Miscount>, StoreError> {
        let query = query(&CHECK_COUNTERS).bind(bound(most));
        let rows = self.fetch(&CHECK_COUNTERS, query).await?;
        let all = rows.first().map(|row| row.get::<i64>("counters"));
        let miscount = |row: &Row| {
            Ok(Miscount {
                job: row.shown("job_name")?,
                layer: row.get::<Option<Text>>("layer_name")?.map(Text::shown),
                counted: row.get("counted")?,
                waiting: row.get("waiting")?,
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
    pub async fn waiting_counts(&self, layer: &LayerId) -> Result<Vec<WaitingCount>, StoreError> {
        let query = query(&WHY_COUNTERS).bind(layer.as_str().to_owned());
        let rows = self.fetch(&WHY_COUNTERS, query).await?;
        let read = |row: &Row| {
            Ok(WaitingCount {
                layer: row.id("pk_layer")?,
                counted: row.get("counted")?,
                counted_in_job: row.get("counted_in_job")?,
                waiting: row.get("waiting")?,
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
