//! The programs that work on this database beside this one: replicas, and the leader of OpenCue's planner.
//!
//! Replicas do not talk to each other, and have no table to sign in to. Each names its sessions
//! `NAME/REPLICA~TIMINGS`, and the server's own list of sessions shows who is there. Maestro, OpenCue's planner,
//! has one leader, which holds a session advisory lock for life (OPENCUE.md, Who books what).
//! Invariant: nothing is booked or left out because of what is read here.

use std::fmt;
use std::net::IpAddr;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{REPLICAS, query};
use crate::timings::{Timings, parts};

/// The key of the lock that Maestro's leader holds. In `pg_locks` it shows as classid 5206117 and
/// objid 1849914725 (OPENCUE.md, Who books what).
pub const MAESTRO_KEY: i64 = i64::from_be_bytes(*b"\0OpenCue");

/// A scheduler that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Its name, as much as fits into the name of a session.
    pub name: String,
    /// Its connections.
    pub connections: i64,
    /// True for the replica that asks.
    pub this: bool,
    /// Its timings; `None` if its sessions do not say them.
    pub timings: Option<Timings>,
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

impl Store {
    /// Programs that are connected to the database, in one round trip. A store whose sessions have no
    /// name of the form `NAME/REPLICA` is none of them.
    pub async fn connected(&self) -> Result<Connected, StoreError> {
        let options = self.pool.connect_options();
        let ours = options.get_application_name().unwrap_or_default();
        let (name, this) = ours.split_once('/').unwrap_or((ours, ""));
        let query = query(&REPLICAS)
            .bind(format!("{name}/"))
            .bind(MAESTRO_KEY >> 32)
            .bind(MAESTRO_KEY & i64::from(u32::MAX));
        let rows = self.fetch(&REPLICAS, query).await?;
        let mut connected = Connected::default();
        for row in &rows {
            match row.get::<Option<String>>("replica")? {
                Some(session) => {
                    let (name, timings) = parts(&session);
                    connected.replicas.push(ReplicaRow {
                        this: session == this,
                        name: name.to_owned(),
                        timings,
                        connections: row.get("connections")?,
                    });
                }
                None => connected.maestro = Some(leader(row)?),
            }
        }
        Ok(connected)
    }
}

fn leader(row: &Row) -> Result<MaestroLeader, StoreError> {
    let address: Option<String> = row.get("address")?;
    Ok(MaestroLeader {
        pid: row.get("leader")?,
        address: address.and_then(|address| address.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_maestro_is_the_one_of_the_contract() {
        let halves = (MAESTRO_KEY >> 32, MAESTRO_KEY & i64::from(u32::MAX));
        assert_eq!(halves, (5_206_117, 1_849_914_725));
    }
}
