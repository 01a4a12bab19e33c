//! What the terminal view remembers between samples: where it is scrolled to, and its order.
//!
//! Invariant: no key and no sample scrolls beyond the last cluster.

use std::cmp::Reverse;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::admin::live::{ClusterLine, Sample};

/// The order of the clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Name,
    Booked,
    Refused,
    NextTurn,
}

impl Order {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Booked => "booked",
            Self::Refused => "refused",
            Self::NextTurn => "next turn",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Name => Self::Booked,
            Self::Booked => Self::Refused,
            Self::Refused => Self::NextTurn,
            Self::NextTurn => Self::Name,
        }
    }
}

/// What is shown, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) sample: Sample,
    /// Why no samples come, if none do.
    pub(super) trouble: Option<String>,
    pub(super) order: Order,
    pub(super) scrolled: usize,
}

impl State {
    /// Takes in a new sample.
    pub(super) fn show(&mut self, sample: Sample) {
        self.sample = sample;
        self.trouble = None;
        self.sort();
        self.scroll(0);
    }

    /// Does what a key means. `true` when it means to quit.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::PageDown => self.scroll(10),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX),
            KeyCode::Char('s') => {
                self.order = self.order.next();
                self.sort();
            }
            _ => {}
        }
        false
    }

    fn scroll(&mut self, rows: isize) {
        let last = self.sample.clusters.shown.len().saturating_sub(1);
        self.scrolled = self.scrolled.saturating_add_signed(rows).min(last);
    }

    fn sort(&mut self) {
        let of = |cluster: &ClusterLine, amount: fn(&crate::admin::live::LastTurn) -> u64| {
            Reverse(cluster.last.as_ref().map_or(0, amount))
        };
        let shown = &mut self.sample.clusters.shown;
        shown.sort_by(|left, right| left.name.cmp(&right.name));
        match self.order {
            Order::Name => {}
            Order::Booked => shown.sort_by_key(|cluster| of(cluster, |last| last.booked)),
            Order::Refused => shown.sort_by_key(|cluster| of(cluster, |last| last.refused)),
            Order::NextTurn => shown.sort_by_key(|cluster| match &*cluster.turn {
                "running" => (0, 0),
                "waiting" => (1, cluster.due_in_ms.unwrap_or_default()),
                _ => (2, 0),
            }),
        }
    }
}
