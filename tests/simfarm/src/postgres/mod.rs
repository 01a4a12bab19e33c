//! An ephemeral PostgreSQL, and a fresh database of the farm's schema for every test.
//!
//! [`Server`] is one PostgreSQL of our own in a scratch directory, found among the installed
//! versions or fetched where none is installed. [`Database`] is one database in it, and
//! [`TestDb`] a database with the schema and a pool, cloned from a template.
//!
//! Invariant: whatever ends the process that started a server, also `SIGKILL`, ends the server
//! and removes its directory. With `DATABASE_URL` set that server is used instead, and only the
//! databases made here are dropped from it.

mod account;
mod binaries;
mod cache;
mod database;
mod error;
mod fetch;
mod server;
mod settings;
mod sql;
mod standby;
mod supervisor;
mod test_db;

pub use binaries::Binaries;
pub use database::Database;
pub use error::PostgresError;
pub use server::Server;
pub use settings::{BinarySource, ServerSettings};
pub use sql::{Value, run, value, values};
pub use test_db::TestDb;
