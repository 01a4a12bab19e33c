//! Tables of the terminal view: stages, clusters, shows and hosts.
//!
//! Invariant: a column is drawn whole or not at all, so that no number is a part of another. The last columns are
//! left out first.

use ratatui::layout::{Alignment, Constraint};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table};

use super::style::{BOLD, DIM, timed};
use crate::status::{Cluster, HostRow, HostState, LastTurn, Show, Stage, Standing, Use};
use crate::words::{age_of, cores, count, rate};

/// A column of a table.
struct Column<T> {
    title: &'static str,
    width: u16,
    alignment: Alignment,
    cell: fn(&T) -> Span<'static>,
}

const fn left<T>(title: &'static str, width: u16, cell: fn(&T) -> Span<'static>) -> Column<T> {
    Column {
        title,
        width,
        alignment: Alignment::Left,
        cell,
    }
}

const fn right<T>(title: &'static str, width: u16, cell: fn(&T) -> Span<'static>) -> Column<T> {
    Column {
        title,
        width,
        alignment: Alignment::Right,
        cell,
    }
}

const STAGES: [Column<Stage>; 9] = [
    left("stage", 12, |stage| Span::styled(stage.name.clone(), BOLD)),
    left("state", 10, standing),
    right("busy", 7, |stage| {
        format!("{}/{}", stage.busy, stage.workers).into()
    }),
    right("queue", 11, queue),
    right("items/s", 7, |stage| rate(stage.per_second).into()),
    right("run", 6, |stage| timed(stage.run_ms.p50).into()),
    right("p99", 6, |stage| timed(stage.run_ms.p99).into()),
    right("waited", 6, |stage| timed(stage.queue_wait_ms.p50).into()),
    right("p99", 6, |stage| timed(stage.queue_wait_ms.p99).into()),
];

const CLUSTERS: [Column<Cluster>; 7] = [
    left("cluster", 16, |cluster| cluster.name.clone().into()),
    right("turn", 9, turn),
    left("last", 11, |cluster| {
        last(cluster).reason.replace('_', " ").into()
    }),
    right("booked", 7, |cluster| count(last(cluster).booked).into()),
    right("refused", 7, |cluster| count(last(cluster).refused).into()),
    right("placed", 7, |cluster| count(last(cluster).placed).into()),
    right("jobs", 5, |cluster| count(last(cluster).jobs).into()),
];

const SHOWS: [Column<Show>; 6] = [
    left("show", 16, |show| {
        format!("{}/{}", show.facility, show.show).into()
    }),
    left("held of entitled", 25, share),
    right("cores", 8, |show| cores(show.held_centicores).into()),
    right("waiting", 9, |show| count(show.waiting_frames).into()),
    right("oldest", 7, |show| {
        let oldest = show.oldest.as_ref();
        let age = oldest.map(|oldest| age_of(oldest.seconds.saturating_mul(1000)));
        age.unwrap_or_else(|| "-".to_owned()).into()
    }),
    left("for", 40, |show| {
        let reasons = show.waiting.iter().take(2);
        let reasons: Vec<String> = reasons
            .map(|by| format!("{} {}", count(by.frames), by.reason.replace('_', " ")))
            .collect();
        reasons.join(", ").into()
    }),
];

const HOSTS: [Column<HostRow>; 6] = [
    left("host", 16, |host| host.name.clone().into()),
    left("state", 11, state),
    left("cores", 18, |host| meter(host.cores).into()),
    left("memory", 18, |host| meter(host.memory).into()),
    left("allocation", 16, |host| host.allocation.clone().into()),
    left("note", 60, |host| crate::hosts::note(host).into()),
];

pub(super) fn shows(shows: &[Show], width: u16) -> Table<'static> {
    table(shows.iter(), &SHOWS, (width, Constraint::Min))
}

pub(super) fn hosts(hosts: &[HostRow], width: u16) -> Table<'static> {
    table(hosts.iter(), &HOSTS, (width, Constraint::Min))
}

/// Part of the farm's cores that a show has, and the part that it is entitled to.
fn share(show: &Show) -> Span<'static> {
    let (held, entitled) = (show.held_share, show.entitled_share);
    let text = format!(
        "{} {:>3.0} % of {:>3.0} %",
        bar(held, 8),
        held * 100.0,
        entitled * 100.0
    );
    if show.waiting_frames > 0 && held < 0.95 * entitled {
        return Span::styled(text, Style::new().fg(Color::Yellow));
    }
    text.into()
}

fn state(host: &HostRow) -> Span<'static> {
    let text = host.state.code().replace('_', " ");
    match host.state {
        HostState::Full | HostState::InUse => text.into(),
        HostState::Idle => Span::styled(text, DIM),
        HostState::Reserved => Span::styled(text, Style::new().fg(Color::Yellow)),
        _ => Span::styled(text, Style::new().fg(Color::Red)),
    }
}

fn meter(amount: Use) -> String {
    format!(
        "{} {:>3.0} %",
        bar(amount.share(), 10),
        amount.share() * 100.0
    )
}

/// A bar of signs that every terminal has.
fn bar(share: f64, width: usize) -> String {
    let filled = ((share * width as f64).round() as usize).min(width);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(width - filled))
}

pub(super) fn stages(stages: &[Stage], width: u16) -> Table<'static> {
    let stages = stages.iter().filter(|stage| !stage.is_loop());
    table(stages, &STAGES, (width, Constraint::Length))
}

pub(super) fn clusters(clusters: &[Cluster], width: u16) -> Table<'static> {
    table(clusters.iter(), &CLUSTERS, (width, Constraint::Min))
}

/// A table with the columns that fit, and this constraint of the first column.
fn table<'a, T: 'a>(
    rows: impl Iterator<Item = &'a T>,
    columns: &[Column<T>],
    (width, first): (u16, fn(u16) -> Constraint),
) -> Table<'static> {
    let mut taken = 0;
    let fits = |column: &&Column<T>| {
        taken += column.width + 1;
        taken <= width + 1
    };
    let columns: Vec<&Column<T>> = columns.iter().take_while(fits).collect();
    let line = |column: &&Column<T>, cell| Line::from(cell).alignment(column.alignment);
    let cells = |row| {
        columns
            .iter()
            .map(move |column| line(column, (column.cell)(row)))
    };
    let titles = columns
        .iter()
        .map(|column| line(column, column.title.into()));
    let widths = columns.iter().enumerate().map(|(n, column)| match n {
        0 => first(column.width),
        _ => Constraint::Length(column.width),
    });
    Table::new(rows.map(|row| Row::new(cells(row))), widths)
        .column_spacing(1)
        .header(Row::new(titles).style(DIM))
}

fn standing(stage: &Stage) -> Span<'static> {
    match stage.standing {
        Standing::Idle => Span::styled("idle", DIM),
        Standing::Working => Span::raw("working"),
        Standing::HeldUp => Span::styled("held up", Style::new().fg(Color::Yellow)),
        Standing::Bottleneck => Span::styled("BOTTLENECK", BOLD.fg(Color::Red)),
    }
}

fn queue(stage: &Stage) -> Span<'static> {
    match stage.queue.capacity {
        0 => Span::default(),
        capacity => format!("{}/{capacity}", stage.queue.depth).into(),
    }
}

fn turn(cluster: &Cluster) -> Span<'static> {
    match cluster.due_in_ms.map(|ms| ms / 1000) {
        Some(0) => "in < 1 s".into(),
        Some(seconds) => format!("in {} s", count(seconds)).into(),
        None => "running".into(),
    }
}

fn last(cluster: &Cluster) -> LastTurn {
    cluster.last.clone().unwrap_or_default()
}
