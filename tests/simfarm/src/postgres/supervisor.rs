//! The small shell process that owns a server, so that nobody can leave one behind.
//!
//! It reads orders from its standard input, a pipe that only we hold. For a port number it tries to
//! start the server there, for `stop` it ends the server as an operator would and keeps its data; it
//! answers whether the server is `up` or `down` now. When the pipe closes, by our wish or because we
//! were killed, it stops the server at once and removes the directory. It leads a process group
//! of its own, so that a Ctrl-C in the terminal reaches us and not it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::account::Account;
use super::binaries::Binaries;
use super::error::{PostgresError, io_error};

/// `$1` is the directory of the binaries, `$2` the scratch directory. `PIPE` is ignored because
/// we may be gone when it answers; the end of the input then ends it.
const SCRIPT: &str = r#"
bin=$1 dir=$2
exec 2>>"$dir/log"
trap '' PIPE INT HUP
trap 'exit 0' TERM
running() {
    [ -e "$dir/data/postmaster.pid" ]
}
finish() {
    if running; then
        "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 30 stop </dev/null >/dev/null
    fi
    rm -rf "$dir"
}
trap finish EXIT
prepare() {
    "$bin/initdb" -A trust -U postgres --no-sync -E UTF8 --locale=C -D "$dir/data" \
        </dev/null >>"$dir/log" &&
    cat "$dir/simfarm.conf" >>"$dir/data/postgresql.conf" &&
    : >"$dir/prepared"
}
launch() {
    "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-p $1" -w -t 60 start </dev/null >/dev/null
}
stop() {
    "$bin/pg_ctl" -D "$dir/data" -m fast -w -t 60 stop </dev/null >/dev/null
}
while read -r order; do
    if [ "$order" = stop ]; then
        stop
        if running; then echo up; else echo down; fi
    elif { [ -e "$dir/prepared" ] || prepare; } && launch "$order"; then
        echo up
    else
        echo down
    fi
done
exit 0
"#;

/// A running supervisor. Dropping it ends the server and waits until its directory is gone.
#[derive(Debug)]
pub(super) struct Supervisor {
    child: Child,
    /// Taken by the drop: closing it is the order to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    dir: PathBuf,
}

impl Supervisor {
    /// Starts the supervisor of `dir`, which it will remove in the end.
    pub(super) fn spawn(
        binaries: &Binaries,
        dir: &Path,
        account: &Account,
    ) -> Result<Self, PostgresError> {
        let mut child = account
            .command("/bin/sh")
            .args(["-c", SCRIPT, "cue-simfarm-postgres"])
            .args([&binaries.bin, dir])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LC_ALL", "C")
            .env("TZ", "GMT")
            .env("LD_LIBRARY_PATH", binaries.library_path())
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| io_error("run", Path::new("/bin/sh"), e))?;
        let orders = child.stdin.take();
        match child.stdout.take() {
            Some(out) => Ok(Self {
                child,
                orders,
                answers: BufReader::new(out),
                dir: dir.to_path_buf(),
            }),
            None => Err(io_error(
                "read from",
                Path::new("/bin/sh"),
                std::io::ErrorKind::BrokenPipe.into(),
            )),
        }
    }

    /// Tries to start the server on `port`; says whether it is up.
    pub(super) fn start_on(&mut self, port: u16) -> Result<bool, PostgresError> {
        self.order(&port.to_string())
    }

    /// Ends the server and keeps its data; says whether it is still up.
    pub(super) fn stop(&mut self) -> Result<bool, PostgresError> {
        self.order("stop")
    }

    fn order(&mut self, order: &str) -> Result<bool, PostgresError> {
        let mut answer = String::new();
        let written = match &mut self.orders {
            Some(orders) => writeln!(orders, "{order}").and_then(|()| orders.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written
            .and_then(|()| self.answers.read_line(&mut answer))
            .map_err(|e| io_error("talk to the supervisor of", &self.dir, e))?;
        Ok(answer.trim() == "up")
    }

    /// The scratch directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.orders.take());
        // A failure here has no taker. The directory is removed once more for the case that the
        // supervisor itself was killed.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
