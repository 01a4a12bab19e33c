//! Draws the terminal view into a buffer: on the screen, into plain text, or for a test.
//!
//! Invariant: it never draws outside its area and fits 80 columns and 24 rows; what does not fit is
//! the tail of the clusters. A stage that is the bottleneck is named in words, not by colour alone.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Widget as _, Wrap};

use super::state::State;
use crate::admin::live::{ClusterLine, Count, Sample, StageLine, Standing};
use crate::words::{cores, count, rate, time};

/// Rows above the clusters: title, verdict, figures, head and stages, loops, refusals, head.
const FIXED: u16 = 1 + 2 + 2 + 7 + 1 + 1 + 2;

/// How many rows it takes to show everything.
pub(super) fn height(sample: &Sample) -> u16 {
    let clusters = u16::try_from(sample.clusters.shown.len()).unwrap_or(u16::MAX);
    FIXED.saturating_add(clusters).saturating_add(1)
}

/// Draws all of it.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(2),
        Constraint::Length(7),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ]);
    let [
        title,
        verdict,
        figures,
        stages,
        loops,
        counts,
        _,
        clusters,
        foot,
    ] = rows.areas(area);
    let sample = &state.sample;
    draw_title(state).render(title, buffer);
    draw_verdict(sample).render(verdict, buffer);
    draw_figures(sample).render(figures, buffer);
    draw_stages(sample).render(stages, buffer);
    draw_loops(sample).render(loops, buffer);
    draw_counts(sample).render(counts, buffer);
    draw_clusters(state, clusters.width).render(clusters, buffer);
    draw_foot(state).render(foot, buffer);
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().fg(Color::DarkGray);

fn draw_title(state: &State) -> Line<'_> {
    let sample = &state.sample;
    let up = std::time::Duration::from_secs(sample.uptime_seconds);
    let mut parts = vec![
        Span::styled("cue-scheduler ", BOLD),
        Span::raw(format!(
            "{}  {}  up {}  ",
            sample.version,
            sample.replica,
            humantime::format_duration(up)
        )),
    ];
    if sample.dry_run {
        parts.push(Span::styled("DRY RUN  ", BOLD.fg(Color::Yellow)));
    }
    if state.trouble.is_some() {
        parts.push(Span::styled("DISCONNECTED", BOLD.fg(Color::Red)));
    }
    Line::from(parts)
}

fn draw_verdict(sample: &Sample) -> Paragraph<'_> {
    let style = if sample.verdict.bottleneck.is_some() {
        BOLD.fg(Color::Red)
    } else {
        Style::new().fg(Color::Cyan)
    };
    Paragraph::new(sample.verdict.sentence.as_str())
        .style(style)
        .wrap(Wrap { trim: true })
}

fn draw_figures(sample: &Sample) -> Paragraph<'_> {
    let launches = sample.launches.iter().map(|one| one.per_second);
    let work = format!(
        "booked {}/s ({} since the start)  launched {}/s  SQL {}/s",
        rate(sample.frames.per_second),
        count(sample.frames.total),
        rate(launches.sum()),
        rate(sample.statements.per_second),
    );
    let farm = sample.hosts.as_ref().map_or_else(String::new, |hosts| {
        format!(
            "idle {} of {} cores  hosts {}, {} with a batch",
            cores(hosts.idle_centicores),
            cores(hosts.total_centicores),
            count(hosts.known),
            count(hosts.leased),
        )
    });
    Paragraph::new(vec![Line::from(work), Line::from(farm)])
}

fn draw_stages(sample: &Sample) -> Table<'_> {
    let head = [
        "stage", "state", "items/s", "busy", "queue", "waited", "p99", "run", "p99",
    ];
    let stages = sample.stages.iter().filter(|stage| stage.kind != "tick");
    let rows = stages.map(|stage| {
        let style = standing_style(stage.standing);
        let queue = if stage.queue.capacity == 0 {
            String::new()
        } else {
            format!("{}/{}", stage.queue.depth, stage.queue.capacity)
        };
        let cells = [
            rate(stage.per_second),
            format!("{}/{}", stage.busy, stage.workers),
            queue,
            timed(stage.wait_ms.p50),
            timed(stage.wait_ms.p99),
            timed(stage.run_ms.p50),
            timed(stage.run_ms.p99),
        ];
        let names = [
            Cell::from(stage.name.as_str()).style(BOLD),
            Cell::from(standing_word(stage)).style(style),
        ];
        Row::new(names.into_iter().chain(cells.into_iter().map(right)))
    });
    let widths = [12, 10, 7, 7, 11, 6, 6, 6, 6].map(Constraint::Length);
    Table::new(rows, widths)
        .column_spacing(1)
        .header(header(&head, 2))
}

fn standing_word(stage: &StageLine) -> &'static str {
    match stage.standing {
        Standing::Idle => "idle",
        Standing::Working => "working",
        Standing::HeldUp => "held up",
        Standing::Bottleneck => "BOTTLENECK",
    }
}

const fn standing_style(standing: Standing) -> Style {
    match standing {
        Standing::Idle => DIM,
        Standing::Working => Style::new(),
        Standing::HeldUp => Style::new().fg(Color::Yellow),
        Standing::Bottleneck => BOLD.fg(Color::Red),
    }
}

fn draw_loops(sample: &Sample) -> Line<'_> {
    let loops = sample.stages.iter().filter(|stage| stage.kind == "tick");
    let texts: Vec<String> = loops
        .map(|one| {
            let failed = one.items.retry + one.items.panic;
            let trouble = if failed > 0 {
                format!(" (failed {failed} times)")
            } else {
                String::new()
            };
            format!("{} {}{trouble}", one.name, timed(one.run_ms.p50))
        })
        .collect();
    Line::styled(format!("loops: {}", texts.join(", ")), DIM)
}

fn draw_counts(sample: &Sample) -> Line<'_> {
    let list = |counts: &[Count]| {
        let mut most: Vec<&Count> = counts.iter().filter(|one| one.total > 0).collect();
        most.sort_by_key(|one| std::cmp::Reverse(one.total));
        let texts: Vec<String> = most
            .iter()
            .take(4)
            .map(|one| format!("{} {}", one.name, count(one.total)))
            .collect();
        if texts.is_empty() {
            "none".to_owned()
        } else {
            texts.join(", ")
        }
    };
    Line::from(format!(
        "refused: {}  launches: {}",
        list(&sample.refused),
        list(&sample.launches)
    ))
}

fn draw_clusters(state: &State, width: u16) -> Table<'_> {
    let head = [
        "cluster", "turn", "last", "jobs", "placed", "booked", "refused",
    ];
    let shown = state.sample.clusters.shown.iter().skip(state.scrolled);
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
        Row::new(
            cells
                .into_iter()
                .chain(numbers.map(|number| right(count(number)))),
        )
    });
    let widths = std::iter::once(name).chain(widths).map(Constraint::Length);
    Table::new(rows, widths)
        .column_spacing(1)
        .header(header(&head, 3))
}

fn turn(cluster: &ClusterLine) -> String {
    match cluster.due_in_ms {
        Some(ms) => format!("in {:.1} s", ms as f64 / 1000.0),
        None => cluster.turn.clone(),
    }
}

fn draw_foot(state: &State) -> Line<'_> {
    let clusters = &state.sample.clusters;
    let words = match &state.trouble {
        Some(trouble) => return Line::styled(trouble.as_str(), Style::new().fg(Color::Red)),
        None => format!(
            "q quit  ↑↓/jk scroll  s sort (by {})  clusters {}-{} of {}",
            state.order.as_str(),
            (state.scrolled + 1).min(clusters.shown.len()),
            clusters.shown.len(),
            clusters.total
        ),
    };
    Line::styled(words, DIM)
}

/// A head whose columns from `left` on are right-aligned, as their numbers are.
fn header<'a>(names: &[&'a str], left: usize) -> Row<'a> {
    let cells = names.iter().enumerate().map(|(n, name)| {
        let line = Line::from(*name);
        if n < left && *name != "turn" || *name == "last" {
            Cell::from(line)
        } else {
            Cell::from(line.right_aligned())
        }
    });
    Row::new(cells).style(DIM)
}

fn right<'a>(text: String) -> Cell<'a> {
    Cell::from(Line::from(text).right_aligned())
}

fn timed(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), time)
}

/// A text that is no longer than `most`, cut in the middle, where cluster names differ least.
fn short(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most || most < 4 {
        return text.chars().take(most).collect();
    }
    let tail = (most - 1) / 3;
    let head: String = text.chars().take(most - 1 - tail).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}
