//! Directory of fetched binaries.
//!
//! Invariant: a directory of the cache belongs to the server's user, or to root before it is
//! given away, and nobody else can write to it; so what is run from it is what was put there.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::{PostgresError, io_error};
use super::settings::user_cache;

/// The first cache directory that only the server's user can write and that it can enter.
pub(super) fn cache_home(
    wanted: Option<&Path>,
    key: &str,
    account: &Account,
) -> Result<PathBuf, PostgresError> {
    let own = format!("cue-scheduler-{}", account.uid());
    let mut choices: Vec<(PathBuf, &str)> = Vec::new();
    choices.extend(wanted.map(|dir| (dir.to_path_buf(), "cue-scheduler")));
    choices.extend(user_cache().map(|dir| (dir, "cue-scheduler")));
    choices.push((account.temp_dir(), &own));
    let mut last = None;
    for (parent, name) in choices {
        match private_dirs(&parent, &[name, "postgresql", key], account) {
            Ok(home) => return Ok(home),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(PostgresError::NoAccount))
}

/// Makes `parts` below `parent` and refuses directories that others could have filled.
fn private_dirs(
    parent: &Path,
    parts: &[&str],
    account: &Account,
) -> Result<PathBuf, PostgresError> {
    fs::create_dir_all(parent).map_err(|e| io_error("create", parent, e))?;
    let refuse = |path: &Path| io_error("use as a cache", path, ErrorKind::PermissionDenied.into());
    if !account.can_enter(parent) {
        return Err(refuse(parent));
    }
    let mut path = parent.to_path_buf();
    for part in parts {
        path.push(part);
        create_dir(&path, account)?;
        let meta = fs::symlink_metadata(&path).map_err(|e| io_error("look at", &path, e))?;
        if !meta.is_dir() || !account.may_own(meta.uid()) || meta.mode() & 0o022 != 0 {
            return Err(refuse(&path));
        }
        // Another process may have made it a moment ago and not yet given it away.
        account.own(&path)?;
    }
    Ok(path)
}

/// Makes one directory that only the server's user can write, unless it is there.
pub(super) fn create_dir(path: &Path, account: &Account) -> Result<(), PostgresError> {
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => account.own(path),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(io_error("create", path, e)),
    }
}

/// Removes a directory with all that is in it, if it is there.
pub(super) fn remove_all(path: &Path) -> Result<(), PostgresError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_error("remove", path, e)),
        _ => Ok(()),
    }
}

/// Separates caches of different systems that share a home directory.
pub(super) fn release_key(release: &str) -> String {
    let field = |name: &str| {
        let value = release
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("unknown");
        value
            .trim_matches('"')
            .replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
    };
    format!(
        "{}-{}-{}",
        field("ID="),
        field("VERSION_ID="),
        std::env::consts::ARCH
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_cache_key_is_one_plain_path_component() {
        let key = release_key("ID=../evil\nVERSION_ID=\"12\"\n");
        assert!(!key.contains('/'), "{key}");
        assert!(key.contains("-12-"), "{key}");
    }

    #[test]
    fn a_cache_directory_that_others_can_write_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let account = Account::detect().unwrap();
        let open = parent.path().join("cue-scheduler");
        DirBuilder::new().mode(0o700).create(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_dirs(parent.path(), &["cue-scheduler"], &account).is_err());
    }
}
