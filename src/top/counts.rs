//! The counts of the terminal view: what stages failed at, side loops, what was refused and why,
//! and what came of launches.
//!
//! Invariant: what went wrong stands before what did not, so that a narrow line loses the latter.

use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use super::view::{DIM, timed};
use super::words::{head, wrap};
use crate::admin::live::{Count, Sample, StageItems};
use crate::words::count;

/// Lines of one sentence about a refusal, at most.
const SENTENCE: usize = 3;

/// What stages failed at, were to try again and had nothing to do with, since the start.
pub(super) fn draw_trouble(sample: &Sample, width: u16) -> Line<'static> {
    let list = |of: fn(&StageItems) -> u64| {
        let stages = sample.stages.iter().filter(|stage| stage.kind != "tick");
        let texts: Vec<String> = stages
            .filter(|stage| of(&stage.items) > 0)
            .map(|stage| format!("{} {}", stage.name, count(of(&stage.items))))
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    };
    let failed = list(|items| items.fatal.saturating_add(items.panic));
    let retried = list(|items| items.retry);
    let skipped = list(|items| items.skip);
    let parts = [
        ("failed", failed, Style::new().fg(Color::Red)),
        ("retried", retried, Style::new().fg(Color::Yellow)),
        ("skipped", skipped, DIM),
    ];
    let mut left = usize::from(width);
    let mut spans = Vec::new();
    for (name, stages, style) in parts {
        let style = if stages.is_some() { style } else { DIM };
        let text = format!("{name}: {}  ", stages.as_deref().unwrap_or("none"));
        let text = head(&text, left);
        left = left.saturating_sub(text.width());
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

pub(super) fn draw_loops(sample: &Sample, width: u16) -> Line<'static> {
    let loops = sample.stages.iter().filter(|stage| stage.kind == "tick");
    let texts: Vec<String> = loops
        .map(|one| {
            let failed = one.items.retry + one.items.panic;
            let trouble = if failed > 0 {
                let times = if failed == 1 { "time" } else { "times" };
                format!(" (failed {failed} {times})")
            } else {
                String::new()
            };
            format!("{} {}{trouble}", one.name, timed(one.run_ms.p50))
        })
        .collect();
    let line = format!("loops: {}", texts.join(", "));
    Line::styled(head(&line, usize::from(width)), DIM)
}

/// Counts by their labels, the greatest first.
pub(super) fn draw_counts(what: &str, counts: &[Count], width: u16) -> Line<'static> {
    let mut most: Vec<&Count> = counts.iter().filter(|one| one.total > 0).collect();
    most.sort_by_key(|one| std::cmp::Reverse(one.total));
    let texts: Vec<String> = most
        .iter()
        .map(|one| format!("{} {}", one.words, count(one.total)))
        .collect();
    let texts = if texts.is_empty() {
        "none".to_owned()
    } else {
        texts.join(", ")
    };
    Line::from(head(&format!("{what}: {texts}"), usize::from(width)))
}

/// What each cap refused last, in at most so many lines: those of the caps that refuse most now
/// come first.
pub(super) fn refusals(sample: &Sample, width: u16, most: usize) -> Vec<String> {
    let width = usize::from(width);
    let mut caps: Vec<&Count> = sample.refused.iter().collect();
    caps.sort_by(|left, right| {
        let rates = right.per_second.total_cmp(&left.per_second);
        rates.then(right.total.cmp(&left.total))
    });
    let sentences = caps
        .iter()
        .filter_map(|cap| sample.last_refusals.get(&cap.name));
    let mut lines: Vec<String> = sentences
        .flat_map(|sentence| {
            let lines = wrap(sentence, width.saturating_sub(2), SENTENCE).into_iter();
            lines.enumerate().map(|(n, line)| {
                let mark = if n == 0 { "- " } else { "  " };
                format!("{mark}{line}")
            })
        })
        .collect();
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = head(&format!("{last} …"), width);
        }
    }
    lines
}

/// The lines about refusals.
pub(super) fn draw_refusals(lines: Vec<String>) -> Paragraph<'static> {
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    Paragraph::new(lines)
}
