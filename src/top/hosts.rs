//! Screen of the hosts: their numbers by state, and a table.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Widget as _;

use super::edges::{draw_title, foot_line, listed, wrapped};
use super::state::State;
use super::style::DIM;
use super::tables;
use crate::words::count;

/// Draws the hosts, and keeps them scrolled to where there are some.
pub(super) fn draw(state: &mut State, area: Rect, buffer: &mut Buffer) {
    let [title, figures, rows, hidden, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let room = usize::from(rows.height.saturating_sub(1));
    state.fit(room);
    let state = &*state;
    draw_title(state, title, buffer);
    let list = &state.hosts;
    let states = list.states.iter();
    let states = listed(
        states
            .map(|(state, hosts)| format!("{} {}", count(*hosts), state.code().replace('_', " "))),
    );
    wrapped(format!("hosts {}: {states}", count(list.matching))).render(figures, buffer);
    tables::hosts(state.listed_hosts(), rows.width).render(rows, buffer);
    let shown = state.listed_hosts().len().min(room) as u64;
    let line = match list.matching.saturating_sub(shown) {
        0 => "all hosts are shown".to_owned(),
        more => format!(
            "not shown: {} of {} hosts",
            count(more),
            count(list.matching)
        ),
    };
    Line::styled(line, DIM).render(hidden, buffer);
    foot_line(state).render(foot, buffer);
}
