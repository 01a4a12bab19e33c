//! Parts that all screens of the terminal view have: the title and the line about keys.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

use super::state::{Screen, State};
use super::style::{BOLD, DIM};
use crate::status::HostState;
use crate::words::count;

/// Name of the service on the left, and on the right what is out of the ordinary, which is never cut.
pub(super) fn draw_title(state: &State, area: Rect, buffer: &mut Buffer) {
    let (status, condition) = (&state.status, &state.status.condition);
    let accounts = status.accounts.as_ref();
    let unchecked = accounts.is_some_and(|accounts| accounts.late(status.uptime_seconds));
    let marks = [
        (status.dry_run, "DRY RUN", Color::Yellow),
        (condition.draining, "DRAINING", Color::Yellow),
        (
            condition.database_retry_ms.is_some(),
            "DATABASE AWAY",
            Color::Red,
        ),
        (
            condition.booking_failing.is_some(),
            "BOOKING FAILS",
            Color::Red,
        ),
        (condition.maestro_leader.is_some(), "MAESTRO", Color::Red),
        (!condition.pauses.is_empty(), "PAUSED", Color::Yellow),
        (unchecked, "ACCOUNTS UNCHECKED", Color::Red),
        (state.trouble.is_some(), "DISCONNECTED", Color::Red),
    ];
    let marks = marks.into_iter().filter(|(is_on, ..)| *is_on);
    let marks: Line<'_> = marks
        .map(|(_, words, colour)| Span::styled(format!("  {words}"), BOLD.fg(colour)))
        .collect();
    let taken = u16::try_from(marks.width()).unwrap_or(u16::MAX);
    let [name, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(taken)]).areas(area);
    let up = std::time::Duration::from_secs(status.uptime_seconds);
    let up = humantime::format_duration(up);
    let about = format!(" {}  {}  up {up}", status.version, status.replica);
    Line::from(vec![Span::styled("cue-scheduler", BOLD), Span::raw(about)]).render(name, buffer);
    marks.render(right, buffer);
}

pub(super) fn wrapped<'a>(text: impl Into<Text<'a>>) -> Paragraph<'a> {
    Paragraph::new(text).wrap(Wrap { trim: true })
}

pub(super) fn foot_line(state: &State) -> Line<'static> {
    match &state.trouble {
        Some(trouble) => {
            let seconds = count(trouble.silent.as_secs());
            let words = &trouble.words;
            let line = format!("{words}; last seen {seconds} s ago, trying again  q quit");
            Line::styled(line, Style::new().fg(Color::Red))
        }
        None => {
            let keys = match state.screen() {
                Screen::Farm => "c clusters  h hosts".to_owned(),
                Screen::Clusters => format!("s sort (by {})  h hosts", state.order()),
                Screen::Hosts => {
                    let of_state = state.of_state().map_or("all", HostState::code);
                    format!("f state ({})  h back", of_state.replace('_', " "))
                }
            };
            Line::styled(format!("q quit  ↑↓/jk scroll  {keys}"), DIM)
        }
    }
}

pub(super) const NONE: &str = "none";

pub(super) fn listed(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() {
        return NONE.to_owned();
    }
    texts.join(", ")
}
