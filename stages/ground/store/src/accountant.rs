//! The one accountant of a database: its election, and the messages it listens for.
//!
//! Election and messages share one connection of their own, outside of the pool. When it is lost,
//! the office is lost in the same moment, and so are messages: whoever is elected next has to look
//! at everything once. The election only saves work. Two accountants, for as long as a dead
//! connection goes unnoticed, write the same exact sums.

use std::future::Future;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Acquire, Connection};

use crate::accounts::CounterKeys;
use crate::error::StoreError;
use crate::meters::Meters;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::ELECT_ACCOUNTANT;

/// The channel on which Cuebot tells releases of managed shows (contract, 5.6).
const RELEASES: &str = "acct_release";

/// The key of the advisory lock: the letters `cue_acct` as one number. In `pg_locks` it shows as
/// classid 1668638047 and objid 1633903476.
pub(crate) const OFFICE: i64 = i64::from_be_bytes(*b"cue_acct");

/// How long the server may take to answer here.
const PATIENCE: Duration = Duration::from_secs(5);

/// A release as Cuebot tells it. Its amounts are left out on purpose: counters are summed anew.
#[derive(Deserialize)]
struct Release {
    show: String,
    alloc: String,
    folder: String,
    job: String,
    layer: String,
    dept: String,
}

/// What was told since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Messages.
    pub releases: usize,
    /// The counters they are about.
    pub keys: CounterKeys,
    /// The last message that could not be read: some counters are stale, nobody knows which.
    pub unreadable: Option<String>,
}

/// A place in the election, and the office once it is won. Dropping it gives both up.
#[derive(Debug)]
pub struct Accountant {
    listener: PgListener,
    meters: Meters,
    elected: bool,
}

impl Store {
    /// Opens the connection of a candidate.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn accountant(&self) -> Result<Accountant, StoreError> {
        // The server notices when a machine dies without a word, by the options of all connections, or the
        // office would stay taken for hours.
        let options = (*self.pool.connect_options()).clone();
        let opening = async {
            let own = PgPoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options)
                .await?;
            PgListener::connect_with(&own).await
        };
        let mut listener = in_time("listen", opening).await?;
        // A new connection must never stand in for a lost one unseen.
        listener.eager_reconnect(false);
        listener.ignore_pool_close_event(true);
        Ok(Accountant {
            listener,
            meters: self.meters.clone(),
            elected: false,
        })
    }
}

impl Accountant {
    /// Whether the office is won.
    #[must_use]
    pub const fn is_elected(&self) -> bool {
        self.elected
    }

    /// Tries to win the office, and listens for messages once it is won.
    ///
    /// # Errors
    /// The connection is of no use any more; drop it.
    pub async fn stand(&mut self) -> Result<bool, StoreError> {
        if self.elected {
            return Ok(true);
        }
        let (listener, meters) = (&mut self.listener, &self.meters);
        let vote = async {
            let conn = listener.acquire().await.map_err(failed)?;
            let query = sqlx::query(ELECT_ACCOUNTANT.sql).bind(OFFICE);
            let rows = meters.rows(&ELECT_ACCOUNTANT, query, conn).await?;
            match rows.first() {
                Some(row) => get(row, ELECT_ACCOUNTANT.name, "elected"),
                None => Ok(false),
            }
        };
        let elected = match tokio::time::timeout(PATIENCE, vote).await {
            Ok(answer) => answer?,
            Err(_late) => return Err(silent(ELECT_ACCOUNTANT.name)),
        };
        if elected {
            in_time("listen", self.listener.listen(RELEASES)).await?;
            self.elected = true;
        }
        Ok(elected)
    }

    /// Proves that the server still answers on this connection.
    ///
    /// # Errors
    /// It does not; drop the connection, and with it the office.
    pub async fn check(&mut self) -> Result<(), StoreError> {
        let listener = &mut self.listener;
        in_time("listen", async { listener.acquire().await?.ping().await }).await
    }

    /// What has been told and not been taken yet, up to `most` messages. Does not wait.
    ///
    /// # Errors
    /// The connection is lost, and messages may be, too; drop it.
    pub async fn arrived(&mut self, most: usize) -> Result<Arrived, StoreError> {
        let mut arrived = Arrived::default();
        while arrived.releases < most {
            match tokio::time::timeout(Duration::ZERO, self.listener.try_recv()).await {
                Err(_nothing_left) => break,
                Ok(Ok(Some(message))) => arrived.note(message.payload()),
                Ok(Ok(None)) => {
                    let lost = io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the connection that listens for releases was lost",
                    );
                    return Err(failed(lost.into()));
                }
                Ok(Err(error)) => return Err(failed(error)),
            }
        }
        Ok(arrived)
    }
}

impl Arrived {
    fn note(&mut self, message: &str) {
        self.releases += 1;
        let Ok(release) = serde_json::from_str::<Release>(message) else {
            self.unreadable = Some(message.to_owned());
            return;
        };
        let show: cue_domain::ShowId = release.show.into();
        let keys = &mut self.keys;
        keys.subscriptions
            .insert((show.clone(), release.alloc.into()));
        keys.layers.insert(release.layer.into());
        keys.jobs.insert(release.job.into());
        keys.folders.insert(release.folder.into());
        keys.points.insert((release.dept.into(), show));
    }
}

async fn in_time<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(failed),
        Err(_late) => Err(silent(what)),
    }
}

fn silent(statement: &'static str) -> StoreError {
    let source = io::Error::new(
        io::ErrorKind::TimedOut,
        format!("the server did not answer within {PATIENCE:?}"),
    );
    StoreError::Failed {
        statement,
        source: source.into(),
    }
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Failed {
        statement: "listen",
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_counters_and_its_amounts_do_not_matter() {
        let mut arrived = Arrived::default();
        for cores in [-1, -8] {
            arrived.note(&format!(
                r#"{{"show":"S","alloc":"A","folder":"F","job":"J","layer":"L","dept":"D","cores":{cores},"gpus":0}}"#
            ));
        }
        assert_eq!((arrived.releases, arrived.keys.len()), (2, 5));
        assert!(arrived.keys.points.contains(&("D".into(), "S".into())));
        assert_eq!(arrived.unreadable, None);
    }

    #[test]
    fn a_message_that_cannot_be_read_is_not_forgotten() {
        for bad in [
            "",
            "{}",
            r#"{"show":null,"alloc":"A","folder":"F","job":"J","layer":"L","dept":"D"}"#,
        ] {
            let mut arrived = Arrived::default();
            arrived.note(bad);
            assert_eq!(arrived.unreadable.as_deref(), Some(bad));
            assert!(arrived.keys.is_empty());
        }
    }

    #[test]
    fn the_key_of_the_office_is_what_its_documentation_says() {
        let halves = ((OFFICE >> 32) as u32, OFFICE as u32);
        assert_eq!(halves, (1_668_638_047, 1_633_903_476));
    }
}
