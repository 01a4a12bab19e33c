//! The clusters of the terminal view, and how many of them are not on the screen.
//!
//! Invariant: what is drawn and what is told as not shown add up to all clusters there are.

use ratatui::layout::Constraint;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table};

use super::state::State;
use super::view::{DIM, header, right};
use super::words::{head, short};
use crate::admin::live::ClusterLine;
use crate::words::count;

/// The table of the clusters, from where it is scrolled to.
pub(super) fn draw_clusters(state: &State, width: u16) -> Table<'_> {
    let head = [
        "cluster", "turn", "last", "jobs", "placed", "booked", "refused",
    ];
    let shown = state.listed().skip(state.scrolled);
    let widths = [9, 11, 5, 7, 7, 7];
    let name = width.saturating_sub(widths.iter().sum::<u16>() + 6).max(8);
    let rows = shown.map(move |cluster| {
        let last = cluster.last.clone().unwrap_or_default();
        let numbers = [last.jobs, last.placed, last.booked, last.refused];
        let cells = [
            Cell::from(short(&cluster.name, usize::from(name))),
            right(turn(cluster)),
            Cell::from(last.reason.replace('_', " ")),
        ];
        let style = if cluster.turn == "asleep" {
            DIM
        } else {
            Style::new()
        };
        let numbers = numbers.map(|number| right(count(number)));
        Row::new(cells.into_iter().chain(numbers)).style(style)
    });
    let widths = std::iter::once(name).chain(widths).map(Constraint::Length);
    Table::new(rows, widths)
        .column_spacing(1)
        .header(header(&head, 3))
}

fn turn(cluster: &ClusterLine) -> String {
    match cluster.due_in_ms.map(|ms| ms / 1000) {
        Some(0) => "in < 1 s".to_owned(),
        Some(seconds) => format!("in {} s", count(seconds)),
        None => cluster.turn.clone(),
    }
}

/// How many clusters are not on the screen, and of which kind.
pub(super) fn draw_rest(state: &State, rows: u16, width: u16) -> Line<'static> {
    let clusters = &state.sample.clusters;
    let first = state.scrolled;
    let listed = state.listed().count();
    let end = first.saturating_add(usize::from(rows)).min(listed);
    let awake = |from: usize, to: usize| to.min(clusters.shown.len()).saturating_sub(from);
    let seen_awake = awake(first, end);
    let seen_asleep = end.saturating_sub(first) - seen_awake;
    let hidden_awake = clusters.awake.saturating_sub(seen_awake);
    let hidden_asleep = clusters.sleeping().saturating_sub(seen_asleep);
    let number = |many: usize| count(many as u64);
    let line = match (hidden_awake, hidden_asleep) {
        (0, 0) if clusters.total == 0 => "no clusters".to_owned(),
        (0, 0) => format!("all {} clusters are shown", number(clusters.total)),
        (0, asleep) => format!("not shown: {} that sleep", number(asleep)),
        (awake, 0) => format!("not shown: {} with work", number(awake)),
        (awake, asleep) => format!(
            "not shown: {} with work, {} that sleep",
            number(awake),
            number(asleep)
        ),
    };
    Line::styled(head(&line, usize::from(width)), DIM)
}
