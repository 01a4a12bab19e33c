//! `cue-scheduler top` in a terminal of its own: whatever ends it, the terminal is as it was.
//!
//! The terminal is that of `script`; where there is none, the test says so loudly and proves nothing.

use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use cue_simfarm::waiting::within;

use crate::service::Service;

/// The other screen is shown, and the first one again.
const SCREENS: [&str; 2] = ["\x1b[?1049h", "\x1b[?1049l"];

/// A program in a terminal, and what it wrote there.
struct Terminal {
    script: Child,
    written: String,
}

impl Terminal {
    /// Starts `top`, after a line with its process id.
    fn open(address: &str) -> Option<Self> {
        let top = env!("CARGO_BIN_EXE_cue-scheduler");
        let command =
            format!("stty cols 100 rows 30; echo pid $$; exec '{top}' top --addr {address}");
        let script = Command::new("script")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                &command,
                "/dev/null",
            ])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let script = script.ok()?;
        Some(Self {
            script,
            written: String::new(),
        })
    }

    /// Reads on until this has been written.
    async fn until(&mut self, text: &str) {
        let out = self.script.stdout.as_mut().unwrap();
        let mut part = [0; 4096];
        while !self.written.contains(text) {
            let read = within("the terminal to be written to", out.read(&mut part))
                .await
                .unwrap();
            assert!(read > 0, "{text:?} is missing in {:?}", self.written);
            self.written
                .push_str(&String::from_utf8_lossy(&part[..read]));
        }
    }

    /// The process id of `top`.
    fn id(&self) -> String {
        let after = self.written.split("pid ").nth(1).unwrap();
        after.split_whitespace().next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_terminal_is_put_back_whatever_signal_ends_the_view() {
    let service = Service::idle().await;
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let Some(mut terminal) = Terminal::open(&service.address) else {
            let loud =
                "\n*** SKIPPED: there is no `script`, so top was NOT tested in a terminal ***\n\n";
            let _told = std::io::Write::write_all(&mut std::io::stderr(), loud.as_bytes());
            break;
        };
        terminal.until(SCREENS[0]).await;
        terminal.until("q quit").await;
        let sent = Command::new("kill").args([signal, &terminal.id()]).status();
        assert!(sent.await.unwrap().success());
        terminal.until(SCREENS[1]).await;
        let ended = within("the view to end", terminal.script.wait()).await;
        assert_eq!(ended.unwrap().code(), Some(code), "{signal}");
    }
}
