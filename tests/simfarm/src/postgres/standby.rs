//! A standby: a second server that follows the first one and can take its place.
//!
//! It begins with a copy of the first server's files, so no program beyond those of a plain server is needed.
//! Invariant: from the moment there is a standby, no commit of the first server is acknowledged before the
//! standby has it.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::account::Account;
use super::error::{PostgresError, io_error};
use super::settings::ServerSettings;

/// Settings of a server that may get a standby.
pub(super) fn settings(settings: ServerSettings) -> ServerSettings {
    settings
        .set("wal_level", "replica")
        .set("max_wal_senders", "4")
        .set("synchronous_commit", "on")
}

/// Lines of the first server's configuration: every commit waits for the standby.
const FIRST: &str = "synchronous_standby_names = '*'\n";

/// Copies the files of a server that is stopped, and makes the copy follow it.
pub(super) fn copy(
    account: &Account,
    first: (&Path, u16),
    dir: &Path,
) -> Result<(), PostgresError> {
    let (from, port) = first;
    let (data, copied) = (from.join("data"), dir.join("data"));
    let done = account
        .command("cp")
        .arg("-R")
        .arg("-p")
        .args([&data, &copied])
        .status()
        .map_err(|e| io_error("copy", &data, e))?;
    if !done.success() {
        let failed = std::io::Error::other("cp failed");
        return Err(io_error("copy", &data, failed));
    }
    let socket = dir.to_string_lossy().replace('\'', "''");
    let follows = format!(
        "unix_socket_directories = '{socket}'\n\
         primary_conninfo = 'host=127.0.0.1 port={port} user=postgres'\n"
    );
    append(&copied.join("postgresql.conf"), &follows)?;
    append(&data.join("postgresql.conf"), FIRST)?;
    for mark in [copied.join("standby.signal"), dir.join("prepared")] {
        fs::write(&mark, "").map_err(|e| io_error("write", &mark, e))?;
        account.own(&mark)?;
    }
    Ok(())
}

fn append(file: &Path, text: &str) -> Result<(), PostgresError> {
    let mut options = fs::OpenOptions::new();
    let written = options
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| io_error("write", file, e))
}
