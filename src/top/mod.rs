//! `cue-scheduler top`: the live page in a terminal, from the samples of a running service.
//!
//! Invariants: it only looks; the terminal is put back as it was, also after a panic and when a signal
//! ends it; without a service it says so in one line and ends. When a service that was there goes
//! away, the last numbers stay with a mark, and it is dialled again.

mod client;
mod clusters;
mod counts;
mod stages;
mod state;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::pin::pin;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use ratatui::layout::Rect;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::live::Sample;
use client::Samples;
pub use client::{Answer, ClientError, get};
use state::State;

/// How often the keyboard is asked whether to go on.
const GLANCE: Duration = Duration::from_millis(100);

/// How long to wait before the service is dialled again.
const REDIAL: Duration = Duration::from_secs(1);

/// A sample comes every second; after this long without one the service counts as gone.
const SILENT_AFTER: Duration = Duration::from_secs(4);

/// The width of the plain text.
const PLAIN_WIDTH: u16 = 100;

/// Why the view cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// There is no service to look at.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The terminal is not one, or cannot be drawn on.
    #[error("the terminal cannot be used, try `cue-scheduler top --once`")]
    Terminal(#[source] std::io::Error),
}

/// Prints one view as plain text.
///
/// # Errors
/// There is no service at the address, or nobody reads what is printed.
pub async fn once(address: &str) -> Result<(), TopError> {
    let mut state = State::default();
    state.show(Samples::open(address).await?.next().await?);
    let text = plain(&state);
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(TopError::Terminal)
}

/// The signals that end the view as a key does, so that the terminal is put back.
struct Ends([Signal; 3]);

impl Ends {
    /// Takes the signals over: from now on they do not end the process by themselves.
    fn listen() -> std::io::Result<Self> {
        let kinds = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        Ok(Self([terminate?, interrupt?, hangup?]))
    }

    async fn next(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Shows the view until a key or a signal ends it.
///
/// # Errors
/// There is no service at the address, or the terminal cannot be used.
pub async fn watch(address: &str) -> Result<(), TopError> {
    let mut samples = Samples::open(address).await?;
    let mut state = State::default();
    state.show(samples.next().await?);
    let mut ends = Ends::listen().map_err(TopError::Terminal)?;
    let mut terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let stop = CancellationToken::new();
    let (tell, mut keys) = mpsc::channel(16);
    let mut reading = JoinSet::new();
    let stopped = stop.clone();
    reading.spawn_blocking(move || read_keys(&tell, &stopped));
    let end = tokio::select! {
        end = run(&mut terminal, address, samples, &mut state, &mut keys) => end,
        () = ends.next() => Ok(()),
    };
    stop.cancel();
    drop(keys);
    reading.join_all().await;
    ratatui::restore();
    end.map_err(TopError::Terminal)
}

async fn run(
    terminal: &mut DefaultTerminal,
    address: &str,
    samples: Samples,
    state: &mut State,
    keys: &mut mpsc::Receiver<Option<KeyEvent>>,
) -> std::io::Result<()> {
    let mut coming = pin!(next(address, Some(samples)));
    let mut seen = Instant::now();
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    loop {
        let size = terminal.size()?;
        state.fit(view::room(state, size.width, size.height));
        terminal.draw(|frame| view::draw(state, frame.area(), frame.buffer_mut()))?;
        tokio::select! {
            key = keys.recv() => match key {
                Some(Some(key)) if state.press(key) => return Ok(()),
                Some(_) => {}
                None => return Ok(()),
            },
            (samples, sample) = &mut coming => {
                coming.set(next(address, samples));
                match sample {
                    Ok(sample) => {
                        seen = Instant::now();
                        state.show(sample);
                    }
                    Err(error) => state.lose(error.brief(), seen.elapsed()),
                }
            }
            _ = clock.tick() => {
                if seen.elapsed() > SILENT_AFTER {
                    state.miss(address, seen.elapsed());
                }
            }
        }
    }
}

/// The next sample; after trouble, from a new connection. The connection is handed back for the
/// sample after that.
async fn next(
    address: &str,
    samples: Option<Samples>,
) -> (Option<Samples>, Result<Sample, ClientError>) {
    let mut open = match samples {
        Some(open) => open,
        None => {
            tokio::time::sleep(REDIAL).await;
            match Samples::open(address).await {
                Ok(open) => open,
                Err(error) => return (None, Err(error)),
            }
        }
    };
    match open.next().await {
        Ok(sample) => (Some(open), Ok(sample)),
        Err(error) => (None, Err(error)),
    }
}

/// Tells of keys, and of a new size as no key, until stopped or until nobody listens.
fn read_keys(tell: &mpsc::Sender<Option<KeyEvent>>, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let told = match event::poll(GLANCE) {
            Ok(false) => continue,
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) => tell.blocking_send(Some(key)),
                Ok(_) => tell.blocking_send(None),
                Err(_) => return,
            },
            Err(_) => return,
        };
        if told.is_err() {
            return;
        }
    }
}

/// The whole view as text, without colours and without blanks at the ends of lines.
fn plain(state: &State) -> String {
    let area = Rect::new(0, 0, PLAIN_WIDTH, view::height(state, PLAIN_WIDTH));
    let mut buffer = Buffer::empty(area);
    view::draw(state, area, &mut buffer);
    text(&buffer, area.height - 1)
}

/// The first rows of a buffer as text.
fn text(buffer: &Buffer, rows: u16) -> String {
    let mut out = String::new();
    for y in 0..rows {
        let row = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
        out.push_str(row.collect::<String>().trim_end());
        out.push('\n');
    }
    out
}
