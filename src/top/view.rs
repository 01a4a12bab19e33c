//! Terminal view of a state, drawn into a buffer: on the screen, into plain text, or for a test.
//!
//! Invariant: trouble (a bottleneck, a database that is away, a service that is gone) is named in words, not by
//! colour alone. All but the tail of the clusters fits 80 columns and 24 rows, and a line counts the clusters that
//! are not shown.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget as _};

use super::edges::{NONE, draw_title, foot_line, listed, wrapped};
use super::state::{Screen, State};
use super::style::{BOLD, DIM, timed};
use super::tables;
use crate::status::{Count, Items, Stage, Status};
use crate::words::{cores, count, rate};

/// Rows besides refusals and clusters.
const FIXED: u16 = 1 + 3 + 2 + 7 + 1 + 1 + 1 + 1 + 1 + 1 + 1;

/// Rows that clusters have before refusals have more than one.
const CLUSTERS: u16 = 4;

/// Rows that show everything.
pub(super) fn height(state: &State, width: u16) -> u16 {
    let clusters = u16::try_from(state.status.clusters.len()).unwrap_or(u16::MAX);
    let refusals = rows(&refusals(&state.status), width);
    FIXED.saturating_add(refusals).saturating_add(clusters)
}

/// Draws the screen, and keeps its rows scrolled to where there are some.
pub(super) fn draw(state: &mut State, area: Rect, buffer: &mut Buffer) {
    let refusals = refusals(&state.status);
    let clusters = u16::try_from(state.status.clusters.len()).unwrap_or(u16::MAX);
    let spare = area.height.saturating_sub(FIXED + clusters.min(CLUSTERS));
    let [
        title,
        verdict,
        figures,
        stages,
        trouble,
        loops,
        refused,
        last,
        launches,
        clusters,
        hidden,
        foot,
    ] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(2),
        Constraint::Length(7),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(rows(&refusals, area.width).min(spare.max(1))),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let room = usize::from(clusters.height.saturating_sub(1));
    state.fit(room);
    let (state, status) = (&*state, &state.status);
    draw_title(state, title, buffer);
    verdict_text(state).render(verdict, buffer);
    figures_text(status).render(figures, buffer);
    tables::stages(&status.stages, stages.width).render(stages, buffer);
    trouble_line(&status.stages).render(trouble, buffer);
    loops_line(&status.stages).render(loops, buffer);
    counts_line("refused", &status.refused).render(refused, buffer);
    wrapped(refusals.join("\n")).render(last, buffer);
    counts_line("launches", &status.launches).render(launches, buffer);
    if state.screen() == Screen::Farm {
        tables::shows(state.listed_shows(), clusters.width).render(clusters, buffer);
    } else {
        tables::clusters(state.listed(), clusters.width).render(clusters, buffer);
    }
    hidden_line(state, room).render(hidden, buffer);
    foot_line(state).render(foot, buffer);
}

/// Rows of lines that are wrapped. A row that is broken at a blank may be some columns short.
fn rows(lines: &[String], width: u16) -> u16 {
    let width = usize::from(width.saturating_sub(12).max(1));
    let rows = lines
        .iter()
        .map(|line| Span::raw(line).width().div_ceil(width));
    u16::try_from(rows.sum::<usize>()).unwrap_or(u16::MAX)
}

fn verdict_text(state: &State) -> Paragraph<'_> {
    let (verdict, condition) = (&state.status.verdict, &state.status.condition);
    let style = if state.trouble.is_some() {
        DIM
    } else if verdict.bottleneck.is_some()
        || condition.database_retry_ms.is_some()
        || condition.booking_failing.is_some()
        || condition.maestro_leader.is_some()
    {
        BOLD.fg(Color::Red)
    } else {
        Style::new().fg(Color::Cyan)
    };
    wrapped(verdict.sentence.as_str()).style(style)
}

fn figures_text(status: &Status) -> Text<'static> {
    let launched: f64 = status.launches.iter().map(|one| one.per_second).sum();
    let mut lines = vec![format!(
        "booked {}/s ({} since the start)  launched {}/s  SQL {}/s",
        rate(status.frames.per_second),
        count(status.frames.total),
        rate(launched),
        rate(status.statements.per_second),
    )];
    if let Some(hosts) = &status.hosts {
        let mut farm = format!(
            "idle {} of {} cores  hosts {}, {} with a batch",
            cores(hosts.idle_centicores),
            cores(hosts.total_centicores),
            count(hosts.known),
            count(hosts.leased),
        );
        if !status.replicas.is_empty() {
            farm.push_str(&format!("  replicas {}", status.replicas.len()));
        }
        lines.push(farm);
    }
    lines.into_iter().map(Line::from).collect()
}

/// Items that stages failed at, are to try again and had nothing to do for, since the start.
fn trouble_line(stages: &[Stage]) -> Line<'static> {
    type Amount = fn(&Items) -> u64;
    let parts: [(&str, Amount, Style); 3] = [
        (
            "failed",
            |items| items.fatal + items.panic,
            Style::new().fg(Color::Red),
        ),
        (
            "retried",
            |items| items.retry,
            Style::new().fg(Color::Yellow),
        ),
        ("skipped", |items| items.skip, DIM),
    ];
    let spans = parts.into_iter().map(|(name, amount, style)| {
        let stages = stages.iter().filter(|stage| !stage.is_loop());
        let some = stages.filter(|stage| amount(&stage.items) > 0);
        let some = some.map(|stage| format!("{} {}", stage.name, count(amount(&stage.items))));
        let list = listed(some);
        let style = if list == NONE { DIM } else { style };
        Span::styled(format!("{name}: {list}  "), style)
    });
    spans.collect()
}

fn loops_line(stages: &[Stage]) -> Line<'static> {
    let loops = stages.iter().filter(|stage| stage.is_loop()).map(|one| {
        let trouble = match one.items.retry + one.items.panic {
            0 => String::new(),
            1 => " (failed 1 time)".to_owned(),
            n => format!(" (failed {n} times)"),
        };
        format!("{} {}{trouble}", one.name, timed(one.run_ms.p50))
    });
    Line::styled(format!("loops: {}", listed(loops)), DIM)
}

/// Counts by their labels, the greatest first.
fn counts_line(name: &str, counts: &[Count]) -> Line<'static> {
    let mut counts: Vec<&Count> = counts.iter().filter(|one| one.total > 0).collect();
    counts.sort_by_key(|one| std::cmp::Reverse(one.total));
    let counts = counts.iter();
    let counts = listed(counts.map(|one| format!("{} {}", one.words, count(one.total))));
    Line::from(format!("{name}: {counts}"))
}

/// The last refusal of each cap, those of the caps that refuse most now first.
fn refusals(status: &Status) -> Vec<String> {
    let mut caps: Vec<&Count> = status.refused.iter().collect();
    caps.sort_by(|left, right| {
        let rates = right.per_second.total_cmp(&left.per_second);
        rates.then(right.total.cmp(&left.total))
    });
    let last = caps
        .iter()
        .filter_map(|cap| status.last_refusals.get(&cap.name));
    last.map(|sentence| format!("- {sentence}")).collect()
}

fn hidden_line(state: &State, room: usize) -> Line<'static> {
    if state.screen() == Screen::Farm {
        let total = state.status.shows.len();
        let hidden = total.saturating_sub(state.listed_shows().len().min(room));
        let line = match hidden {
            0 => format!("all {total} shows are shown"),
            _ => format!("not shown: {hidden} of {total} shows"),
        };
        return Line::styled(line, DIM);
    }
    let total = state.status.cluster_count;
    let hidden = total.saturating_sub(state.listed().len().min(room));
    let number = |clusters: usize| count(clusters as u64);
    let line = match (total, hidden) {
        (0, _) => "no cluster has work".to_owned(),
        (_, 0) => format!("all {} clusters with work are shown", number(total)),
        _ => format!(
            "not shown: {} of {} clusters with work",
            number(hidden),
            number(total)
        ),
    };
    Line::styled(line, DIM)
}
