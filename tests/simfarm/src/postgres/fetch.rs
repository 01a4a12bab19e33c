//! Fetching the server's binaries where none are installed, without changing the system.
//!
//! On Debian and Ubuntu the system's own package tools do it, as an ordinary user and with
//! lists, cache and status file of their own: they name the packages that are missing, and these
//! are unpacked into a cache directory. Nothing is installed and no script of a package is run.
//! Elsewhere the error says what to install.
//!
//! Invariant: `root` in the cache directory is complete, because it gets its name last and under
//! a lock that ends with the process that holds it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::binaries::{Binaries, versions_in};
use super::cache::{cache_home, create_dir, release_key, remove_all};
use super::error::{PostgresError, io_error};
use super::settings::{BinarySource, ServerSettings, search_path};

/// Directories that the package tools expect, parents first.
const WORK_DIRS: &[&str] = &[
    "",
    "root",
    "lists",
    "lists/partial",
    "cache",
    "cache/archives",
    "cache/archives/partial",
];

/// The binaries that `settings` ask for, fetched if need be.
pub(super) fn found(
    settings: &ServerSettings,
    account: &Account,
) -> Result<Binaries, PostgresError> {
    if settings.binaries == BinarySource::InstalledOrFetched
        && let Some(installed) = Binaries::installed(account)
    {
        return Ok(installed);
    }
    fetched(settings.cache_dir.as_deref(), account)
}

/// The fetched binaries, from the cache or fetched now.
fn fetched(cache_dir: Option<&Path>, account: &Account) -> Result<Binaries, PostgresError> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let tools = ["apt-get", "dpkg-deb"];
    if !tools
        .iter()
        .all(|tool| search_path().iter().any(|dir| dir.join(tool).is_file()))
    {
        return Err(PostgresError::NotInstalled {
            hint: install_hint(&release),
        });
    }
    let home = cache_home(cache_dir, &release_key(&release), account)?;
    let lock_path = home.join("lock");
    let lock = File::create(&lock_path).map_err(|e| io_error("create", &lock_path, e))?;
    lock.lock().map_err(|e| io_error("lock", &lock_path, e))?;
    if let Some(found) = usable(&home.join("root"), account) {
        return Ok(found);
    }
    eprintln!(
        "PostgreSQL is not installed; fetching it into {} ...",
        home.display()
    );
    fetch_into(&home, account)?;
    eprintln!("PostgreSQL is fetched; nothing on this system was changed");
    usable(&home.join("root"), account).ok_or_else(|| PostgresError::Fetch {
        step: "postgres --version".to_owned(),
        detail: format!("the binaries in {} do not run", home.join("root").display()),
    })
}

/// Downloads and unpacks into `home/work`, then renames the result to `home/root`.
fn fetch_into(home: &Path, account: &Account) -> Result<(), PostgresError> {
    let work = home.join("work");
    remove_all(&work)?;
    remove_all(&home.join("root"))?;
    for dir in WORK_DIRS {
        create_dir(&work.join(dir), account)?;
    }
    let status = work.join("status");
    fs::write(&status, status_without_postgresql()?).map_err(|e| io_error("write", &status, e))?;
    account.own(&status)?;
    download(&work, &status, account)?;
    unpack(&work, account)?;
    if !Path::new("/usr/share/zoneinfo/UTC").exists() {
        // The server has this path built in, so an unpacked copy would not be found.
        return Err(PostgresError::NotInstalled {
            hint: "the time zone database is missing: apt-get install tzdata",
        });
    }
    let (from, to) = (work.join("root"), home.join("root"));
    fs::rename(&from, &to).map_err(|e| io_error("rename", &from, e))?;
    remove_all(&work)
}

/// Refreshes private package lists and downloads what is missing for a server.
fn download(work: &Path, status: &Path, account: &Account) -> Result<(), PostgresError> {
    let apt = |arguments: &[&str]| {
        let mut command = account.command("apt-get");
        command
            .current_dir(work)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args([
                "-q",
                "-o",
                "Debug::NoLocking=1",
                "-o",
                "Acquire::Languages=none",
            ])
            .args([
                "-o",
                "Acquire::Retries=2",
                "-o",
                "Acquire::http::Timeout=30",
            ])
            .arg("-o")
            .arg(format!("Dir::Cache={}", work.join("cache").display()))
            .arg("-o")
            .arg(format!(
                "Dir::State::lists={}",
                work.join("lists").display()
            ))
            .arg("-o")
            .arg(format!("Dir::State::status={}", status.display()))
            .args(arguments);
        command
    };
    // One source of many may be out of order; whether that hurts shows in the next step.
    let updated = run(&mut apt(&["update"]), "apt-get update");
    let wanted = [
        "install",
        "--download-only",
        "-y",
        "--no-install-recommends",
        "postgresql",
    ];
    run(
        &mut apt(&wanted),
        "apt-get install --download-only postgresql",
    )
    .map_err(|failed| match updated {
        Ok(()) => failed,
        Err(earlier) => earlier,
    })
}

/// Unpacks every downloaded package into `work/root`.
fn unpack(work: &Path, account: &Account) -> Result<(), PostgresError> {
    let archives = work.join("cache/archives");
    let entries = fs::read_dir(&archives).map_err(|e| io_error("list", &archives, e))?;
    for entry in entries {
        let deb = entry.map_err(|e| io_error("list", &archives, e))?.path();
        let name = deb
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // A second C library beside the loader of the first one would crash every process.
        if !name.ends_with(".deb") || name.starts_with("libc6_") {
            continue;
        }
        let mut command = account.command("dpkg-deb");
        command
            .current_dir(work)
            .arg("-x")
            .arg(&deb)
            .arg(work.join("root"));
        run(&mut command, &format!("dpkg-deb -x {name}"))?;
    }
    Ok(())
}

/// The newest binaries below an unpacked `root` that run.
fn usable(root: &Path, account: &Account) -> Option<Binaries> {
    let libraries: Vec<PathBuf> = ["usr/lib", "lib"]
        .iter()
        .flat_map(|dir| fs::read_dir(root.join(dir)).into_iter().flatten().flatten())
        .filter(|entry| entry.file_name().to_string_lossy().contains("-linux-"))
        .map(|entry| entry.path())
        .collect();
    versions_in(root.join("usr/lib/postgresql"), "bin")
        .iter()
        .find_map(|bin| Binaries::in_dir(bin, &libraries, account))
}

/// Packages that the system has installed, less PostgreSQL itself, so that all of it is fetched.
fn status_without_postgresql() -> Result<String, PostgresError> {
    let path = Path::new("/var/lib/dpkg/status");
    let status = fs::read_to_string(path).map_err(|e| io_error("read", path, e))?;
    let others: Vec<&str> = status
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim_start().starts_with("Package: postgresql"))
        .collect();
    Ok(others.join("\n\n"))
}

/// Runs a command to its end; a failure carries the end of what it printed.
fn run(command: &mut Command, step: &str) -> Result<(), PostgresError> {
    let output = command.output().map_err(|source| PostgresError::Io {
        what: format!("run {step}"),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let detail = lines[lines.len().saturating_sub(8)..].join("; ");
    Err(PostgresError::Fetch {
        step: step.to_owned(),
        detail,
    })
}

/// Command that installs PostgreSQL on this platform.
fn install_hint(release: &str) -> &'static str {
    if cfg!(target_os = "macos") {
        return "install it with: brew install postgresql@16";
    }
    let families: [(&[&str], &'static str); 6] = [
        (
            &["debian", "ubuntu"],
            "install it with: apt-get install postgresql",
        ),
        (
            &["fedora", "rhel", "centos"],
            "install it with: dnf install postgresql-server postgresql-contrib",
        ),
        (
            &["suse"],
            "install it with: zypper install postgresql-server postgresql-contrib",
        ),
        (&["arch"], "install it with: pacman -S postgresql"),
        (
            &["alpine"],
            "install it with: apk add postgresql postgresql-contrib",
        ),
        (&["nixos"], "run inside: nix-shell -p postgresql"),
    ];
    let ids = release
        .lines()
        .filter(|l| l.starts_with("ID=") || l.starts_with("ID_LIKE="));
    let ids = ids.collect::<Vec<_>>().join(" ");
    let known = families
        .iter()
        .find(|(names, _)| names.iter().any(|name| ids.contains(name)));
    known.map_or(
        "install its server package and put postgres on the PATH",
        |(_, hint)| hint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_fits_the_platform() {
        let rocky = "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        if cfg!(target_os = "linux") {
            assert!(install_hint(rocky).contains("dnf install"));
            assert!(install_hint("ID=arch\n").contains("pacman"));
            assert!(install_hint("").contains("PATH"));
        }
    }
}
