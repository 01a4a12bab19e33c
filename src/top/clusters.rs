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
use crate::admin::live::{ClusterLine, LastTurn};
use crate::words::count;

/// A column behind the name of a cluster.
struct Column {
    title: &'static str,
    width: u16,
    cell: fn(&ClusterLine) -> Cell<'static>,
}

const COLUMNS: [Column; 6] = [
    Column {
        title: "turn",
        width: 9,
        cell: |cluster| right(turn(cluster)),
    },
    Column {
        title: "last",
        width: 11,
        cell: |cluster| Cell::from(last(cluster).reason.replace('_', " ")),
    },
    Column {
        title: "jobs",
        width: 5,
        cell: |cluster| right(count(last(cluster).jobs)),
    },
    Column {
        title: "placed",
        width: 7,
        cell: |cluster| right(count(last(cluster).placed)),
    },
    Column {
        title: "booked",
        width: 7,
        cell: |cluster| right(count(last(cluster).booked)),
    },
    Column {
        title: "refused",
        width: 7,
        cell: |cluster| right(count(last(cluster).refused)),
    },
];

/// Which columns are given up first where names would have no room.
const LAST_TO_KEEP: [usize; 6] = [2, 3, 5, 1, 4, 0];

/// The least that a name needs.
const NAME: u16 = 16;

/// The columns there is room for, and how much is left for the name.
fn fitting(width: u16) -> (Vec<&'static Column>, u16) {
    let mut kept: Vec<usize> = (0..COLUMNS.len()).collect();
    let left = |kept: &[usize]| {
        let taken = kept.iter().map(|place| COLUMNS[*place].width + 1);
        width.saturating_sub(taken.sum())
    };
    for given_up in LAST_TO_KEEP {
        if left(&kept) >= NAME {
            break;
        }
        kept.retain(|place| *place != given_up);
    }
    let name = left(&kept);
    (
        kept.into_iter().map(|place| &COLUMNS[place]).collect(),
        name,
    )
}

/// The table of the clusters, from where it is scrolled to.
pub(super) fn draw_clusters(state: &State, width: u16) -> Table<'_> {
    let (columns, name) = fitting(width);
    let titles: Vec<&str> = std::iter::once("cluster")
        .chain(columns.iter().map(|column| column.title))
        .collect();
    let widths = columns.iter().map(|column| column.width);
    let widths: Vec<u16> = std::iter::once(name).chain(widths).collect();
    let shown = state.listed().skip(state.scrolled);
    let rows: Vec<Row<'_>> = shown
        .map(|cluster| {
            let style = if cluster.turn == "asleep" {
                DIM
            } else {
                Style::new()
            };
            let cells = columns.iter().map(|column| (column.cell)(cluster));
            let name = Cell::from(short(&cluster.name, usize::from(name)));
            Row::new(std::iter::once(name).chain(cells)).style(style)
        })
        .collect();
    let left = usize::from(titles.contains(&"last")) + 2;
    Table::new(rows, widths.into_iter().map(Constraint::Length))
        .column_spacing(1)
        .header(header(&titles, left))
}

fn last(cluster: &ClusterLine) -> LastTurn {
    cluster.last.clone().unwrap_or_default()
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
