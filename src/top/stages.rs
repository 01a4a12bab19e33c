//! The stages of the terminal view, in as many columns as there is room for.
//!
//! Invariant: a column is there whole or not at all, so that no number is a part of another.

use ratatui::layout::Constraint;
use ratatui::style::{Color, Style};
use ratatui::widgets::{Cell, Row, Table};

use super::view::{BOLD, DIM, header, right, timed};
use crate::admin::live::{Sample, StageLine, Standing};
use crate::words::rate;

/// A column of numbers.
struct Column {
    title: &'static str,
    width: u16,
    text: fn(&StageLine) -> String,
}

/// The name of a stage and how it stands, with a blank between.
const NAMES: [u16; 2] = [12, 10];

const COLUMNS: [Column; 7] = [
    Column {
        title: "items/s",
        width: 7,
        text: |stage| rate(stage.per_second),
    },
    Column {
        title: "busy",
        width: 7,
        text: |stage| format!("{}/{}", stage.busy, stage.workers),
    },
    Column {
        title: "queue",
        width: 11,
        text: queue,
    },
    Column {
        title: "waited",
        width: 6,
        text: |stage| timed(stage.wait_ms.p50),
    },
    Column {
        title: "p99",
        width: 6,
        text: |stage| timed(stage.wait_ms.p99),
    },
    Column {
        title: "run",
        width: 6,
        text: |stage| timed(stage.run_ms.p50),
    },
    Column {
        title: "p99",
        width: 6,
        text: |stage| timed(stage.run_ms.p99),
    },
];

/// Which columns are given up first where there is not room for all, by their place.
const LAST_TO_KEEP: [usize; 7] = [4, 6, 3, 5, 0, 1, 2];

fn fitting(width: u16) -> Vec<&'static Column> {
    let mut kept: Vec<usize> = (0..COLUMNS.len()).collect();
    let takes = |kept: &[usize]| {
        let numbers = kept.iter().map(|place| COLUMNS[*place].width + 1);
        NAMES.iter().sum::<u16>() + 1 + numbers.sum::<u16>()
    };
    for given_up in LAST_TO_KEEP {
        if takes(&kept) <= width {
            break;
        }
        kept.retain(|place| *place != given_up);
    }
    kept.into_iter().map(|place| &COLUMNS[place]).collect()
}

pub(super) fn draw_stages(sample: &Sample, width: u16) -> Table<'_> {
    let columns = fitting(width);
    let titles: Vec<&str> = ["stage", "state"]
        .into_iter()
        .chain(columns.iter().map(|column| column.title))
        .collect();
    let stages = sample.stages.iter().filter(|stage| stage.kind != "tick");
    let rows: Vec<Row<'_>> = stages
        .map(|stage| {
            let names = [
                Cell::from(stage.name.as_str()).style(BOLD),
                Cell::from(standing_word(stage)).style(standing_style(stage.standing)),
            ];
            let numbers = columns.iter().map(|column| right((column.text)(stage)));
            Row::new(names.into_iter().chain(numbers))
        })
        .collect();
    let widths = columns.iter().map(|column| column.width);
    let widths = NAMES.into_iter().chain(widths).map(Constraint::Length);
    Table::new(rows, widths)
        .column_spacing(1)
        .header(header(&titles, NAMES.len()))
}

fn queue(stage: &StageLine) -> String {
    if stage.queue.capacity == 0 {
        String::new()
    } else {
        format!("{}/{}", stage.queue.depth, stage.queue.capacity)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_given_up_whole_and_the_least_wanted_first() {
        let titles = |width| -> Vec<&str> {
            let columns = fitting(width);
            columns.iter().map(|column| column.title).collect()
        };
        assert_eq!(titles(79).len(), 7);
        assert_eq!(
            titles(78),
            ["items/s", "busy", "queue", "waited", "run", "p99"]
        );
        assert_eq!(titles(64), ["items/s", "busy", "queue", "run"]);
        assert_eq!(titles(50), ["busy", "queue"]);
        assert!(titles(20).is_empty());
    }
}
