//! The programs that work on this database beside this one: replicas, and the leader of OpenCue's planner.
//!
//! Replicas do not talk to each other, and have no table to sign in to. Each names its sessions
//! `NAME/REPLICA`, and the server's own list of sessions shows who is there. Maestro, OpenCue's planner,
//! has one leader, which holds a session advisory lock for life (contract, 14.3).
//! Invariant: nothing is booked or left out because of what is read here.

use std::fmt;
use std::net::IpAddr;

use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::REPLICAS;

/// What PostgreSQL keeps of a session's name, in bytes; it cuts off the rest without a word.
const LONGEST_NAME: usize = 63;

/// The key of the lock that Maestro's leader holds. In `pg_locks` it shows as classid 5206117 and
/// objid 1849914725 (contract, 14.3).
pub const MAESTRO_KEY: i64 = i64::from_be_bytes(*b"\0OpenCue");

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

/// The session that leads OpenCue's planner Maestro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaestroLeader {
    /// Number of the session: `pid` in `pg_stat_activity`.
    pub pid: i32,
    /// Address of the Cuebot, where this role may see it.
    pub address: Option<IpAddr>,
}

impl fmt::Display for MaestroLeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.pid)?;
        match self.address {
            Some(address) => write!(f, " from {address}"),
            None => Ok(()),
        }
    }
}

/// Programs that are connected to the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// Schedulers, by name. None if the sessions of this one have no name of the form `NAME/REPLICA`.
    pub replicas: Vec<ReplicaRow>,
    /// Maestro's leader, if there is one.
    pub maestro: Option<MaestroLeader>,
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
    /// Programs that are connected to the database, in one round trip. A store whose sessions have no
    /// name of the form `NAME/REPLICA` is none of them.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn connected(&self) -> Result<Connected, StoreError> {
        let options = self.pool.connect_options();
        let ours = options.get_application_name().unwrap_or_default();
        let (name, this) = ours.split_once('/').unwrap_or((ours, ""));
        let query = sqlx::query(REPLICAS.sql)
            .bind(format!("{name}/"))
            .bind(MAESTRO_KEY >> 32)
            .bind(MAESTRO_KEY & i64::from(u32::MAX));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&REPLICAS, query, &mut conn).await?;
        drop(conn);
        let mut connected = Connected::default();
        for row in &rows {
            match get::<Option<String>>(row, REPLICAS.name, "replica")? {
                Some(name) => connected.replicas.push(ReplicaRow {
                    this: name == this,
                    name,
                    connections: get(row, REPLICAS.name, "connections")?,
                }),
                None => connected.maestro = Some(leader(row)?),
            }
        }
        Ok(connected)
    }
}

fn leader(row: &PgRow) -> Result<MaestroLeader, StoreError> {
    let address: Option<String> = get(row, REPLICAS.name, "address")?;
    Ok(MaestroLeader {
        pid: get(row, REPLICAS.name, "leader")?,
        address: address.and_then(|address| address.parse().ok()),
    })
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

    #[test]
    fn the_key_of_maestro_is_the_one_of_the_contract() {
        let halves = (MAESTRO_KEY >> 32, MAESTRO_KEY & i64::from(u32::MAX));
        assert_eq!(halves, (5_206_117, 1_849_914_725));
    }
}
