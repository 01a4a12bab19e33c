//! Draws the terminal view into a buffer: on the screen, into plain text, or for a test.
//!
//! Invariant: it never draws outside its area and fits 80 columns and 24 rows; what does not fit is
//! the tail of the clusters, and a line says how many. What is wrong (a bottleneck, a database that is
//! away, a service that is gone) is named in words, not by colour alone.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Widget as _};

use super::clusters::{draw_clusters, draw_rest};
use super::counts::{draw_counts, draw_loops, draw_refusals, draw_trouble, refusals};
use super::stages::draw_stages;
use super::state::State;
use super::words::{head, wrap};
use crate::admin::live::Sample;
use crate::words::{cores, count, rate, time};

/// Rows besides verdict, refusals and clusters: title, figures, head and stages, trouble, loops,
/// refused, launches, the clusters' head, what is not shown, the keys.
const FIXED: u16 = 1 + 2 + 7 + 1 + 1 + 1 + 1 + 1 + 1 + 1;

/// Rows of the verdict: two, so that nothing jumps, and a third if a long one needs it.
const VERDICT: std::ops::RangeInclusive<u16> = 2..=3;

/// Rows that clusters have before refusals have more than one.
const CLUSTERS: usize = 6;

/// How many rows it takes to show everything that is listed.
pub(super) fn height(state: &State, width: u16) -> u16 {
    let clusters = u16::try_from(state.listed().count()).unwrap_or(u16::MAX);
    let verdict = rows_of(&verdict(&state.sample, width));
    let refusals = u16::try_from(refusals(&state.sample, width, usize::MAX).len());
    FIXED
        .saturating_add(verdict)
        .saturating_add(refusals.unwrap_or(u16::MAX))
        .saturating_add(clusters)
}

/// How many clusters there is room for.
pub(super) fn room(state: &State, width: u16, height: u16) -> usize {
    let (lines, rows) = share(state, width, height);
    usize::from(rows).saturating_sub(lines.len())
}

/// The lines about refusals, and how many rows they and the clusters have together. Refusals have
/// one row if there are any, and more where the clusters have enough.
fn share(state: &State, width: u16, height: u16) -> (Vec<String>, u16) {
    let verdict = rows_of(&verdict(&state.sample, width));
    let rows = height.saturating_sub(FIXED.saturating_add(verdict));
    let clusters = state.listed().count().min(CLUSTERS);
    let most = usize::from(rows).saturating_sub(clusters).max(1);
    (refusals(&state.sample, width, most), rows)
}

/// Draws all of it.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let sample = &state.sample;
    let sentence = verdict(sample, area.width);
    let (mut reasons, _) = share(state, area.width, area.height);
    // What fits nowhere else is given up before the stages are: loops, launches, what was refused.
    let least = FIXED + rows_of(&sentence) + 1;
    let missing = least.saturating_sub(area.height);
    let kept = |nth: u16| u16::from(missing < nth);
    if missing > 0 {
        reasons.clear();
    }
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows_of(&sentence)),
        Constraint::Length(2),
        Constraint::Length(7),
        Constraint::Length(1),
        Constraint::Length(kept(1)),
        Constraint::Length(kept(3)),
        Constraint::Length(u16::try_from(reasons.len()).unwrap_or(u16::MAX)),
        Constraint::Length(kept(2)),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
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
        rest,
        foot,
    ] = rows.areas(area);
    draw_title(state, title, buffer);
    draw_verdict(state, sentence).render(verdict, buffer);
    draw_figures(sample).render(figures, buffer);
    draw_stages(sample, stages.width).render(stages, buffer);
    draw_trouble(sample, trouble.width).render(trouble, buffer);
    draw_loops(sample, loops.width).render(loops, buffer);
    draw_counts("refused", &sample.refused, refused.width).render(refused, buffer);
    draw_refusals(reasons).render(last, buffer);
    draw_counts("launches", &sample.launches, launches.width).render(launches, buffer);
    draw_clusters(state, clusters.width).render(clusters, buffer);
    draw_rest(state, clusters.height.saturating_sub(1), rest.width).render(rest, buffer);
    draw_foot(state, foot.width).render(foot, buffer);
}

fn verdict(sample: &Sample, width: u16) -> Vec<String> {
    let most = usize::from(*VERDICT.end());
    wrap(&sample.verdict.sentence, usize::from(width), most)
}

fn rows_of(lines: &[String]) -> u16 {
    let lines = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    lines.clamp(*VERDICT.start(), *VERDICT.end())
}

pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// Fainter than the rest, whatever the colours of the terminal are: a grey of its own can be that of
/// the background.
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// Who it is on the left, and on the right what is out of the ordinary, which is never cut.
fn draw_title(state: &State, area: Rect, buffer: &mut Buffer) {
    let sample = &state.sample;
    let accounts = sample.accounts.as_ref();
    let marks = [
        (sample.dry_run, "DRY RUN", Color::Yellow),
        (sample.condition.draining, "DRAINING", Color::Yellow),
        (
            sample.condition.database_retry_ms.is_some(),
            "DATABASE AWAY",
            Color::Red,
        ),
        (
            sample.condition.maestro_leader.is_some(),
            "MAESTRO",
            Color::Red,
        ),
        (
            accounts.is_some_and(|accounts| accounts.late(sample.uptime_seconds)),
            "ACCOUNTS UNCHECKED",
            Color::Red,
        ),
        (state.trouble.is_some(), "DISCONNECTED", Color::Red),
    ];
    let marks: Vec<Span<'_>> = marks
        .into_iter()
        .filter(|(on, ..)| *on)
        .map(|(_, word, colour)| Span::styled(format!("  {word}"), BOLD.fg(colour)))
        .collect();
    let marks = Line::from(marks);
    let taken = u16::try_from(marks.width()).unwrap_or(u16::MAX);
    let [who, wrong] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(taken)]).areas(area);
    let up = std::time::Duration::from_secs(sample.uptime_seconds);
    let about = format!(
        "{}  {}  up {}",
        sample.version,
        sample.replica,
        humantime::format_duration(up)
    );
    let name = "cue-scheduler ";
    let room = usize::from(who.width).saturating_sub(name.len());
    Line::from(vec![
        Span::styled(name, BOLD),
        Span::raw(head(&about, room)),
    ])
    .render(who, buffer);
    marks.render(wrong, buffer);
}

fn draw_verdict(state: &State, lines: Vec<String>) -> Paragraph<'static> {
    let sample = &state.sample;
    let style = if state.trouble.is_some() {
        DIM
    } else if sample.verdict.bottleneck.is_some()
        || sample.condition.database_retry_ms.is_some()
        || sample.condition.maestro_leader.is_some()
    {
        BOLD.fg(Color::Red)
    } else {
        Style::new().fg(Color::Cyan)
    };
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    Paragraph::new(lines).style(style)
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
    let replicas = match sample.replicas.len() {
        0 => String::new(),
        replicas => format!("  replicas {replicas}"),
    };
    let farm = sample.hosts.as_ref().map_or_else(String::new, |hosts| {
        format!(
            "idle {} of {} cores  hosts {}, {} with a batch{replicas}",
            cores(hosts.idle_centicores),
            cores(hosts.total_centicores),
            count(hosts.known),
            count(hosts.leased),
        )
    });
    Paragraph::new(vec![Line::from(work), Line::from(farm)])
}

fn draw_foot(state: &State, width: u16) -> Line<'static> {
    if let Some(trouble) = &state.trouble {
        let line = format!(
            "{}; last seen {} s ago, trying again  q quit",
            trouble.words,
            count(trouble.silent.as_secs())
        );
        let line = head(&line, usize::from(width));
        return Line::styled(line, Style::new().fg(Color::Red));
    }
    let fold = if state.unfolded { "hide" } else { "show" };
    let line = format!(
        "q quit  ↑↓/jk scroll  s sort (by {})  a {fold} those that sleep",
        state.order.as_str()
    );
    Line::styled(head(&line, usize::from(width)), DIM)
}

/// A head whose columns from `left` on are right-aligned, as their numbers are.
pub(super) fn header<'a>(names: &[&'a str], left: usize) -> Row<'a> {
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

/// A cell whose text stands on the right.
pub(super) fn right<'a>(text: String) -> Cell<'a> {
    Cell::from(Line::from(text).right_aligned())
}

pub(super) fn timed(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), time)
}
