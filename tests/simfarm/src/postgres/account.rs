//! Account of the server.
//!
//! PostgreSQL refuses to be root. So that root can use it all the same, every process of the
//! server, the fetching of its binaries included, then runs as `postgres` or `nobody`, and the
//! directories are given to that user. An ordinary user runs everything as itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{PostgresError, io_error};

/// The user of the server's processes.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// The other user to become; nothing for an ordinary user.
    other: Option<(u32, u32)>,
    /// The user that files of the server belong to.
    uid: u32,
}

impl Account {
    /// Finds out who we are and, for root, which account the server runs as.
    pub(super) fn detect() -> Result<Self, PostgresError> {
        // The owner of a file we create is our effective user; no system call is needed.
        let temp = std::env::temp_dir();
        let me = tempfile::tempfile()
            .and_then(|file| file.metadata())
            .map_err(|e| io_error("create a file in", &temp, e))?
            .uid();
        if me != 0 {
            return Ok(Self {
                other: None,
                uid: me,
            });
        }
        let passwd = fs::read_to_string("/etc/passwd")
            .map_err(|e| io_error("read", Path::new("/etc/passwd"), e))?;
        let ids = ["postgres", "nobody"]
            .iter()
            .find_map(|name| ids_of(&passwd, name));
        let (uid, gid) = ids.ok_or(PostgresError::NoAccount)?;
        Ok(Self {
            other: Some((uid, gid)),
            uid,
        })
    }

    /// The user that files of the server belong to.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns true if a directory of user `uid` can only have been filled by us.
    pub(super) fn may_own(&self, uid: u32) -> bool {
        uid == self.uid || (self.other.is_some() && uid == 0)
    }

    /// A command that will run as the server's user.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.other {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives `path` to the server's user.
    pub(super) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        match self.other {
            None => Ok(()),
            Some((uid, gid)) => {
                chown(path, Some(uid), Some(gid)).map_err(|e| io_error("give away", path, e))
            }
        }
    }

    /// Returns true if the server's user can enter `path`; only root has to ask.
    pub(super) fn can_enter(&self, path: &Path) -> bool {
        self.other.is_none() || path.ancestors().all(|dir| mode(dir) & 0o001 != 0)
    }

    /// The directory for scratch directories which the server's user can enter and remove.
    pub(super) fn temp_dir(&self) -> PathBuf {
        let temp = std::env::temp_dir();
        let ours = self.other.is_none() || (self.can_enter(&temp) && mode(&temp) & 0o002 != 0);
        if ours { temp } else { PathBuf::from("/tmp") }
    }
}

/// The permission bits of `path`; a directory that is not there yet does not hinder.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o777, |meta| meta.permissions().mode())
}

/// User and group of `name` in the text of `/etc/passwd`.
fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((id_of(fields.next()?)?, id_of(fields.next()?)?))
}

/// An id as it stands in the file. Some systems write `nobody` as -2, the same 32 bits.
fn id_of(text: &str) -> Option<u32> {
    text.parse::<u32>()
        .ok()
        .or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_the_whole_name_and_may_be_negative() {
        let passwd = "nobody2:x:7:7::/:/bin/sh\nnobody:*:-2:-2::/:/bin/false\npostgres:x:26:27::/:";
        assert_eq!(ids_of(passwd, "postgres"), Some((26, 27)));
        assert_eq!(ids_of(passwd, "nobody"), Some((u32::MAX - 1, u32::MAX - 1)));
        assert_eq!(ids_of(passwd, "cue"), None);
    }
}
