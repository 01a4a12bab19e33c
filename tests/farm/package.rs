//! The Debian package: installed into a clean root it has a service that books, and it removes all of its files again.
//!
//! Skipped where dpkg or cargo-deb is missing, and says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cue_simfarm::waiting::{until, within};

use crate::binary::{Service, command};
use crate::world::{World, endless, yard};

/// Runs a command to its end, and returns what it printed.
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns true if a command of this name can be started.
pub fn is_there(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok()
}

/// All files below a folder.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

/// The package of the built program.
fn package(work: &Path) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_cue-scheduler"));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir(work.join("release")).unwrap();
    let stripped = work.join("release/cue-scheduler");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(program)
        .status();
    if !strip.is_ok_and(|status| status.success()) {
        std::fs::copy(program, &stripped).unwrap();
    }
    done(
        Command::new(program)
            .arg("manuals")
            .arg(repository.join("target/manuals")),
    );
    let package = work.join("cue-scheduler.deb");
    let mut build = Command::new("cargo-deb");
    build.args([
        "deb",
        "--no-build",
        "--no-strip",
        "--fast",
        "--quiet",
        "--output",
    ]);
    build
        .arg(&package)
        .current_dir(repository)
        .env("CARGO_TARGET_DIR", work);
    done(&mut build);
    package
}

fn dpkg(root: &Path, words: &[&str]) {
    let mut dpkg = Command::new("dpkg");
    // A clean root has no packages to depend on, and no shell for the scripts of a package.
    dpkg.args([
        "--force-not-root",
        "--force-depends",
        "--force-script-chrootless",
    ]);
    dpkg.arg(format!("--root={}", root.display())).args(words);
    done(&mut dpkg);
}

/// Files of the documentation, one of each folder that the pages lead to.
const DOCUMENTED: [&str; 6] = [
    "README.md",
    "config/prometheus-alerts.yml",
    "config/guides/first-hour.md",
    "config/guides/images/page.png",
    "config/grafana/dashboards/farm.json",
    "config/sql/statement-triggers.sql",
];

/// Checks that the pages are in the package, with the folders that they lead to. An installation may leave
/// documentation out, so the package itself is asked.
fn assert_documented(package: &Path) {
    let contents = done(Command::new("dpkg-deb").arg("--contents").arg(package));
    for file in DOCUMENTED {
        let path = format!("./usr/share/doc/cue-scheduler/{file}\n");
        assert!(contents.contains(&path), "{path} is not in\n{contents}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_package_installs_a_service_that_books_and_removes_every_file() {
    if let Some(missing) = ["dpkg", "strip", "cargo-deb"]
        .iter()
        .find(|name| !is_there(name))
    {
        eprintln!("SKIPPED: there is no {missing}");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "usr/bin"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let package = package(work.path());
    assert_documented(&package);
    dpkg(&root, &["--install", package.to_str().unwrap()]);

    let unit = root.join("usr/lib/systemd/system/cue-scheduler.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/"));
    let (program, words) = start.unwrap().split_once(' ').unwrap();
    let secret = root.join("etc/cue-scheduler/database-url");
    let (db, farm) = yard(1).await;
    farm.frames("a", 1, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    std::fs::write(&secret, &world.db.url).unwrap();

    let program = root.join(program);
    let settings = [("CUE_DATABASE_URL_FILE", secret.to_str().unwrap())];
    let mut check = command(&program, &["check"], &settings);
    let check = within("the check to end", check.output()).await.unwrap();
    let printed = String::from_utf8_lossy(&check.stdout);
    assert!(printed.contains("ok    server"), "{printed}");
    let address = world.rqd.address().to_string();
    assert_eq!(words, "run");
    let settings = [settings[0], ("CUE_RQD_ADDRESS", &address)];
    let service = Service::start_program(&program, &settings).await;
    world.launched(1).await;
    until("it to be ready", async || {
        service.get("/readyz").await.0 == 200
    })
    .await;
    world.finish_all(1).await;
    assert_eq!(service.terminate().await.0, Some(0));
    world.close().await;

    dpkg(&root, &["--purge", "cue-scheduler"]);
    let left: Vec<_> = below(&root)
        .into_iter()
        .filter(|path| !path.starts_with("var/lib/dpkg") && !path.starts_with("var/log"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_unit_is_exposed_to_little() {
    let mut analyze = Command::new("systemd-analyze");
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cue-scheduler.service");
    // In tenths.
    analyze
        .args(["security", "--no-pager", "--offline=true", "--threshold=15"])
        .arg(unit);
    let Ok(output) = analyze.output() else {
        eprintln!("SKIPPED: there is no systemd-analyze");
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("unrecognized option") {
        eprintln!("SKIPPED: this systemd-analyze cannot read a unit offline");
        return;
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{error}");
}
