//! `cue-scheduler top` in a terminal that is closed or stopped: it ends at once, and burns no core meanwhile.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use cue_simfarm::waiting::within;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, LocalModes, Winsize, tcflow, tcgetattr, tcsetwinsize};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::service::Service;

/// Longest time from the end of the terminal to the end of the program, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(20);

/// Longest processor time of the whole view. A clock tick of the kernel is a hundredth of a second.
const MOST_TICKS: u64 = 50;

/// Both ends of a terminal, and `top` in it.
struct Terminal {
    master: File,
    slave: File,
    top: Child,
}

impl Terminal {
    /// Starts `top` and waits until its view is drawn.
    async fn open(service: &Service) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let end = || slave.try_clone().unwrap();
        let top = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
            .args(["top", "--addr", &service.address])
            .env_clear()
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut master = File::from(master);
        let drawn = tokio::task::spawn_blocking(move || {
            let (mut written, mut part) = (String::new(), [0; 4096]);
            while !written.contains("q quit") {
                let read = master.read(&mut part).unwrap();
                written.push_str(&String::from_utf8_lossy(&part[..read]));
            }
            master
        });
        let master = within("the view to be drawn", drawn).await.unwrap();
        Self { master, slave, top }
    }
}

/// State and processor time of a process, also of one that ended and was not waited for.
fn stat(top: &Child) -> (String, u64) {
    let path = format!("/proc/{}/stat", top.id().unwrap());
    let stat = std::fs::read_to_string(path).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    (fields[0].to_owned(), ticks(11) + ticks(12))
}

/// Processor time of the process, once it has ended.
async fn ended(top: &Child) -> u64 {
    let ended = async {
        loop {
            let (state, ticks) = stat(top);
            if state == "Z" {
                return ticks;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Late is a view that goes on without its terminal.
    timeout(LIMIT, ended).await.unwrap()
}

#[tokio::test]
async fn a_terminal_that_is_closed_ends_the_view_also_in_the_middle_of_a_key() {
    let service = Service::idle().await;
    for typed in ["", "\x1b["] {
        let mut terminal = Terminal::open(&service).await;
        terminal.master.write_all(typed.as_bytes()).unwrap();
        drop((terminal.master, terminal.slave));
        let ticks = ended(&terminal.top).await;
        assert!(ticks < MOST_TICKS, "{ticks} ticks, after {typed:?}");
        let status = terminal.top.wait().await.unwrap();
        assert_eq!(status.code(), Some(129), "after {typed:?}");
    }
}

#[tokio::test]
async fn a_terminal_that_takes_no_bytes_does_not_keep_a_signal_from_ending_the_view() {
    let service = Service::idle().await;
    let mut terminal = Terminal::open(&service).await;
    let is_raw = |terminal: &File| {
        !tcgetattr(terminal)
            .unwrap()
            .local_modes
            .contains(LocalModes::ICANON)
    };
    assert!(is_raw(&terminal.slave));
    tcflow(&terminal.slave, Action::OOff).unwrap();
    let id = terminal.top.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(sent.unwrap().success());
    let status = timeout(LIMIT, terminal.top.wait())
        .await
        .expect("top waits for its terminal");
    assert_eq!(status.unwrap().code(), Some(143));
    assert!(!is_raw(&terminal.slave));
}
