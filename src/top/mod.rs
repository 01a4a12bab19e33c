//! `cue-scheduler top`: the live page in a terminal, from the samples of a running service.
//!
//! Invariants: it changes nothing; the terminal is put back as it was, also after a panic and when a signal ends the
//! view; a terminal that is gone or stopped holds up neither. Without a service it ends with one line. When a service
//! goes away, the last numbers stay with a mark, and the service is dialled again.

mod edges;
mod hosts;
mod state;
mod style;
mod tables;
mod terminal;
mod view;

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::crossterm::terminal::disable_raw_mode;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::{ClientError, Samples, answered, get};
use crate::hosts::HostFilter;
use crate::output;
use crate::status::{HostList, HostState, Status};
use state::{Screen, State};
use terminal::{EndSignals, Keyboard};

/// Time that a terminal has to take the last bytes of the view. One that is stopped takes none.
const RESTORE_LIMIT: Duration = Duration::from_millis(500);

/// Time before the service is dialled again.
const REDIAL: Duration = Duration::from_secs(1);

/// Time without a sample after which the service counts as gone. A sample comes every second.
const SILENT_AFTER: Duration = Duration::from_secs(4);

/// Hosts that are listed.
const HOSTS: usize = 1_000;

/// Width of the plain text.
const PLAIN_WIDTH: u16 = 100;

/// Failure to show the view.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// No service answers.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The terminal is not one, or cannot be drawn on.
    #[error("the terminal cannot be used, try `cue-scheduler top --once`")]
    Terminal(#[source] std::io::Error),
    /// The text cannot be written.
    #[error("the view cannot be printed")]
    Output(#[source] std::io::Error),
}

/// Prints one view as plain text.
///
/// # Errors
/// There is no service at the address, or the text cannot be written.
pub async fn once(address: &str) -> Result<(), TopError> {
    let mut state = State::default();
    state.show(Samples::open(address).await?.next().await?);
    let text = plain(&mut state);
    output::answer(&mut std::io::stdout(), &text).map_err(TopError::Output)
}

/// Shows the view until a key ends it, or the signal that is returned. A terminal that is gone counts as SIGHUP.
///
/// # Errors
/// There is no service at the address, or the terminal cannot be used.
pub async fn watch(address: &str) -> Result<Option<SignalKind>, TopError> {
    let keyboard = Keyboard::open().map_err(TopError::Terminal)?;
    let mut samples = Samples::open(address).await?;
    let mut state = State::default();
    state.show(samples.next().await?);
    let mut signals = EndSignals::listen().map_err(TopError::Terminal)?;
    let terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let keys = keyboard.listen().map_err(TopError::Terminal)?;
    let stop = CancellationToken::new();
    let view = View {
        address: address.to_owned(),
        samples,
        state,
        keys,
    };
    // In a task of its own: a write to a stopped terminal blocks, and signals must be handled.
    let mut task = JoinSet::new();
    task.spawn(view.show(terminal, stop.clone()));
    let signal = tokio::select! {
        ended = task.join_next() => {
            let shown = ended.map_or(Ok(Ok(())), |ended| ended);
            return match shown.map_err(std::io::Error::other).flatten() {
                _ if keyboard.is_gone() => Ok(Some(SignalKind::hangup())),
                Ok(()) => Ok(None),
                Err(error) => Err(TopError::Terminal(error)),
            };
        }
        signal = signals.next() => signal,
        () = keyboard.gone() => SignalKind::hangup(),
    };
    stop.cancel();
    if tokio::time::timeout(RESTORE_LIMIT, task.join_next())
        .await
        .is_err()
    {
        let _gone = disable_raw_mode();
    }
    Ok(Some(signal))
}

/// The parts of a view that is shown.
struct View {
    address: String,
    samples: Samples,
    state: State,
    keys: mpsc::Receiver<Option<KeyEvent>>,
}

impl View {
    /// Draws until a key, the end of the terminal or `stop`, and puts the terminal back.
    async fn show(
        self,
        mut terminal: DefaultTerminal,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        let end = tokio::select! {
            end = self.run(&mut terminal) => end,
            () = stop.cancelled() => Ok(()),
        };
        terminal::restore(terminal);
        end
    }

    async fn run(mut self, terminal: &mut DefaultTerminal) -> std::io::Result<()> {
        let (address, state) = (&self.address, &mut self.state);
        let mut coming = pin!(next(address, Some(self.samples)));
        let mut seen = Instant::now();
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let (mut reading, mut wants_hosts) = (JoinSet::new(), true);
        loop {
            if state.screen() == Screen::Hosts && wants_hosts && reading.is_empty() {
                reading.spawn(read_hosts(address.clone(), state.of_state()));
                wants_hosts = false;
            }
            terminal.draw(|frame| draw(state, frame.area(), frame.buffer_mut()))?;
            tokio::select! {
                key = self.keys.recv() => match key {
                    Some(Some(key)) if state.press(key) => return Ok(()),
                    Some(_) => wants_hosts = true,
                    None => return Ok(()),
                },
                (samples, sample) = &mut coming => {
                    coming.set(next(address, samples));
                    match sample {
                        Ok(sample) => {
                            seen = Instant::now();
                            state.show(sample);
                        }
                        Err(error) => state.lose(Some(error.brief()), seen.elapsed()),
                    }
                }
                Some(read) = reading.join_next() => {
                    if let Ok(Ok(list)) = read {
                        state.show_hosts(list);
                    }
                }
                _ = clock.tick() => {
                    wants_hosts = true;
                    if seen.elapsed() > SILENT_AFTER {
                        state.lose(None, seen.elapsed());
                    }
                }
            }
        }
    }
}

/// Draws the screen that is turned to.
fn draw(state: &mut State, area: Rect, buffer: &mut Buffer) {
    match state.screen() {
        Screen::Hosts => hosts::draw(state, area, buffer),
        Screen::Farm | Screen::Clusters => view::draw(state, area, buffer),
    }
}

/// The hosts in this state, or all of them. A failure is seen by the samples too, which have the reason.
async fn read_hosts(address: String, state: Option<HostState>) -> Result<HostList, ClientError> {
    let filter = HostFilter {
        state,
        limit: Some(HOSTS),
        ..HostFilter::default()
    };
    let answer = get(&address, &filter.path("/hosts")).await?;
    answered(&address, &answer)
}

/// The next sample; after a failure, from a new connection. The connection is returned for the next sample.
async fn next(
    address: &str,
    samples: Option<Samples>,
) -> (Option<Samples>, Result<Status, ClientError>) {
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

/// The whole view as text, without colours, blank rows and the line about keys: the shows, then the pipeline with its
/// clusters.
fn plain(state: &mut State) -> String {
    let mut lines = Vec::new();
    if state.screen() == Screen::Farm {
        let height = u16::try_from(state.status.shows.len()).unwrap_or(u16::MAX);
        let area = Rect::new(0, 0, PLAIN_WIDTH, height.saturating_add(1));
        let mut buffer = Buffer::empty(area);
        tables::shows(&state.status.shows, PLAIN_WIDTH).render(area, &mut buffer);
        lines = rows(&buffer);
        state.show_clusters();
    }
    let area = Rect::new(0, 0, PLAIN_WIDTH, view::height(state, PLAIN_WIDTH));
    let mut buffer = Buffer::empty(area);
    view::draw(state, area, &mut buffer);
    let mut pipeline = rows(&buffer);
    pipeline.pop();
    lines.extend(pipeline);
    lines.retain(|row| !row.is_empty());
    lines.join("\n") + "\n"
}

/// Rows of a buffer, without blanks at their ends.
fn rows(buffer: &Buffer) -> Vec<String> {
    let row = |y| {
        let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..buffer.area.height).map(row).collect()
}
