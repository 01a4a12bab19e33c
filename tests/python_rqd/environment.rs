//! The Python environment with the published package, made once and kept between runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The package under test, and what it needs to run. Its own list also names what draws a
/// workstation's screen lock, which has to be compiled and is not used here.
const PACKAGES: [&str; 2] = ["opencue-rqd==1.37.0", "opencue-proto==1.37.0"];
const NEEDED: [&str; 4] = ["grpcio", "protobuf", "psutil==5.9.8", "future==1.0.0"];

/// The interpreter, or the reason why there is none.
static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    // Every frame is started through it, by its full name.
    if !Path::new("/usr/bin/time").exists() {
        return Err("there is no /usr/bin/time (Debian package time)".to_owned());
    }
    let within = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-rqd");
    install(&within).map(|()| within.join("venv/bin/python"))
});

/// The interpreter that has the package. Without one the test is over, and says so.
pub fn python() -> Option<&'static Path> {
    match &*PYTHON {
        Ok(python) => Some(python),
        Err(reason) => {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("?");
            println!("SKIPPED python_rqd::{test}: {reason}");
            None
        }
    }
}

fn install(within: &Path) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{}: {error}", within.display());
    fs::create_dir_all(within).map_err(named)?;
    // Other test binaries, and other runs, wait here for the first one.
    let lock = File::create(within.join("lock")).map_err(named)?;
    lock.lock().map_err(named)?;
    let (venv, done) = (within.join("venv"), within.join("done"));
    let wanted = [&PACKAGES[..], &NEEDED[..]].concat().join("\n");
    let python = venv.join("bin/python");
    if fs::read_to_string(&done).is_ok_and(|done| done == wanted) && works(&python).is_ok() {
        return Ok(());
    }
    let _first = fs::remove_file(&done);
    let _first = fs::remove_dir_all(&venv);
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let pip = |packages: &[&str], more: &[&str]| {
        let quiet = ["-q", "--disable-pip-version-check", "--no-input"];
        let brief = [
            "--retries",
            "1",
            "--timeout",
            "20",
            "--only-binary",
            ":all:",
        ];
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install"]).args(quiet).args(brief);
        run(pip.args(more).args(packages))
    };
    pip(&PACKAGES, &["--no-deps"])?;
    pip(&NEEDED, &[])?;
    works(&python)?;
    fs::write(&done, wanted).map_err(named)
}

fn works(python: &Path) -> Result<(), String> {
    run(Command::new(python).args(["-m", "rqd", "--help"]))
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    Err(last.unwrap_or("it failed without a word").to_owned())
}
