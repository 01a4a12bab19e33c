//! The terminal of the view: its keys, the signals that end the view, and the end of the terminal itself.
//!
//! A terminal that was closed makes every read return at once, and the event reader of crossterm reads on for
//! ever. So the terminal is asked first, crossterm reads only what is there, and nobody waits for its thread.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Interval at which the thread of the keyboard looks whether the terminal has another size.
const GLANCE: Duration = Duration::from_millis(100);

/// Interval at which the terminal is asked whether it is still there.
const GONE_CHECK: Duration = Duration::from_millis(250);

/// The terminal that the keys come from. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Keyboard(Arc<OwnedFd>);

impl Keyboard {
    /// The terminal that crossterm reads: standard input, or else the one of the session.
    ///
    /// # Errors
    /// There is none, or standard output is no terminal.
    pub(super) fn open() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other("standard output is no terminal"));
        }
        let stdin = io::stdin();
        let terminal = if stdin.is_terminal() {
            stdin.as_fd().try_clone_to_owned()?
        } else {
            File::open("/dev/tty")?.into()
        };
        Ok(Self(Arc::new(terminal)))
    }

    /// Returns true if the terminal was closed: a window, an ssh connection or a multiplexer is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.wait(PollFlags::empty(), Duration::ZERO).is_none()
    }

    /// Waits until the terminal is closed, however stuck the thread of the keyboard is.
    pub(super) async fn gone(&self) {
        let mut clock = tokio::time::interval(GONE_CHECK);
        while !self.is_gone() {
            clock.tick().await;
        }
    }

    /// The keys, from a thread of their own, and nothing for another event such as a new size. The channel
    /// ends with the terminal. Nobody may wait for the thread: it may be stuck in a read.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn listen(&self) -> io::Result<mpsc::Receiver<Option<KeyEvent>>> {
        let (events, keys) = mpsc::channel(16);
        let keyboard = self.clone();
        let thread = std::thread::Builder::new().name("keyboard".to_owned());
        thread.spawn(move || keyboard.read(&events))?;
        Ok(keys)
    }

    /// Reads until the terminal or the receiver is gone.
    fn read(&self, events: &mpsc::Sender<Option<KeyEvent>>) {
        while let Some(is_ready) = self.wait(PollFlags::IN, GLANCE) {
            let mut found = false;
            while event::poll(Duration::ZERO).is_ok_and(|is_there| is_there) {
                let Ok(event) = event::read() else { return };
                let key = match event {
                    Event::Key(key) => Some(key),
                    _ => None,
                };
                if events.blocking_send(key).is_err() {
                    return;
                }
                found = true;
            }
            // Bytes that are not taken would make the next wait end at once.
            let is_stuck = is_ready && !found;
            if is_stuck && self.wait(PollFlags::empty(), GLANCE).is_none() {
                return;
            }
        }
    }

    /// Waits for readiness. Nothing is returned if the terminal was closed.
    fn wait(&self, wanted: PollFlags, limit: Duration) -> Option<bool> {
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut terminal = [PollFd::new(&self.0, wanted)];
        // A signal ends the wait early, which is as good as its end.
        let _interrupted = poll(&mut terminal, Some(&limit));
        let found = terminal[0].revents();
        let is_gone = found.intersects(PollFlags::HUP | PollFlags::ERR);
        (!is_gone).then(|| found.intersects(wanted))
    }
}

/// The signals that end the view as a key does, so that the terminal is put back.
pub(super) struct EndSignals([Signal; 3]);

/// SIGTERM, SIGINT, SIGHUP.
const KINDS: [SignalKind; 3] = [
    SignalKind::terminate(),
    SignalKind::interrupt(),
    SignalKind::hangup(),
];

impl EndSignals {
    /// Takes the signals over: from now on they do not end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        let [terminate, interrupt, hangup] = KINDS.map(signal);
        Ok(Self([terminate?, interrupt?, hangup?]))
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> SignalKind {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => KINDS[0],
            _ = interrupt.recv() => KINDS[1],
            _ = hangup.recv() => KINDS[2],
        }
    }
}

/// Puts the terminal back, as far as it is still there.
pub(super) fn restore(mut terminal: DefaultTerminal) {
    if terminal.show_cursor().is_err() {
        // Its own drop would try again, and panic where it cannot print that this failed.
        std::mem::forget(terminal);
    }
    let _gone = ratatui::try_restore();
}
