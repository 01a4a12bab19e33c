//! Which schedulers work on this database.
//!
//! Replicas do not talk to each other, and have no table to sign in to. Each names its sessions
//! `NAME/REPLICA`, and the server's own list of sessions tells who is there. Nothing depends on it:
//! it is for people to read.

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::REPLICAS;

/// What PostgreSQL keeps of a session's name, in bytes; it cuts off the rest without a word.
const LONGEST_NAME: usize = 63;

/// A scheduler that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Its name, as much as fits into the name of a session.
    pub name: String,
    /// Its connections.
    pub connections: i64,
    /// Whether it is this one.
    pub this: bool,
}

/// The name of a replica's sessions: `NAME/REPLICA`. Of a replica whose name is too long the end is
/// kept, in which the number of the process is.
#[must_use]
pub fn session_name(name: &str, replica: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(name.len() + 1);
    let cut = replica.len().saturating_sub(room);
    let from = (cut..=replica.len()).find(|at| replica.is_char_boundary(*at));
    let end = from
        .and_then(|from| replica.get(from..))
        .unwrap_or_default();
    format!("{name}/{end}")
}

impl Store {
    /// The schedulers that are connected, by name. None if the sessions of this one have no name
    /// of the form `NAME/REPLICA`.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRow>, StoreError> {
        let options = self.pool.connect_options();
        let ours = options.get_application_name().unwrap_or_default();
        let Some((name, this)) = ours.split_once('/') else {
            return Ok(Vec::new());
        };
        let query = sqlx::query(REPLICAS.sql).bind(format!("{name}/"));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&REPLICAS, query, &mut conn).await?;
        drop(conn);
        rows.iter()
            .map(|row| {
                let name: String = get(row, REPLICAS.name, "replica")?;
                Ok(ReplicaRow {
                    this: name == this,
                    name,
                    connections: get(row, REPLICAS.name, "connections")?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_fits_and_keeps_the_end_of_the_replica() {
        assert_eq!(session_name("cue-scheduler", "h-7"), "cue-scheduler/h-7");
        let long = format!("{}-4711", "é".repeat(40));
        let name = session_name("cue", &long);
        assert!(
            name.len() <= LONGEST_NAME && name.ends_with("é-4711"),
            "{name}"
        );
        assert_eq!(
            session_name(&"n".repeat(63), "h-7"),
            format!("{}/", "n".repeat(63))
        );
    }
}
