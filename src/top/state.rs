//! What the terminal view remembers between samples: where it is scrolled to, its order, and since
//! when it has heard nothing.
//!
//! Invariant: no key and no sample scrolls beyond the last cluster; clusters that sleep come after
//! all that do not, whatever the order.

use std::cmp::Reverse;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::admin::live::{ClusterLine, LastTurn, Sample};

/// The order of the clusters that are awake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    NextTurn,
    Name,
    Booked,
    Refused,
}

impl Order {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NextTurn => "next turn",
            Self::Name => "name",
            Self::Booked => "booked",
            Self::Refused => "refused",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::NextTurn => Self::Name,
            Self::Name => Self::Booked,
            Self::Booked => Self::Refused,
            Self::Refused => Self::NextTurn,
        }
    }
}

/// That no samples come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Why, in a few words.
    pub(super) words: String,
    /// How long ago the last one came.
    pub(super) silent: Duration,
}

/// What is shown, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) sample: Sample,
    pub(super) trouble: Option<Trouble>,
    pub(super) order: Order,
    pub(super) scrolled: usize,
    /// Rows there are for clusters; none before it was drawn.
    room: usize,
    /// Whether clusters that sleep are listed too.
    pub(super) unfolded: bool,
}

impl State {
    /// Takes in a new sample.
    pub(super) fn show(&mut self, sample: Sample) {
        self.sample = sample;
        self.trouble = None;
        self.sort();
        self.scroll(0);
    }

    /// Takes note that no sample comes, and why.
    pub(super) fn lose(&mut self, words: String, silent: Duration) {
        self.trouble = Some(Trouble { words, silent });
    }

    /// Takes note that still no sample has come, for the reason known before, if there was one.
    pub(super) fn miss(&mut self, address: &str, silent: Duration) {
        let known = self.trouble.take().map(|trouble| trouble.words);
        let words = known.unwrap_or_else(|| format!("{address} does not answer"));
        self.lose(words, silent);
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
            KeyCode::Char('a') => {
                self.unfolded = !self.unfolded;
                self.scroll(0);
            }
            KeyCode::Char('s') => {
                self.order = self.order.next();
                self.sort();
            }
            _ => {}
        }
        false
    }

    /// The clusters that are listed: those that are awake, then those that sleep, if wanted.
    pub(super) fn listed(&self) -> impl Iterator<Item = &ClusterLine> {
        let clusters = &self.sample.clusters;
        let asleep = clusters.asleep.iter();
        let asleep = asleep.take(if self.unfolded { usize::MAX } else { 0 });
        clusters.shown.iter().chain(asleep)
    }

    /// Takes note of how many rows there are for clusters.
    pub(super) fn fit(&mut self, rows: usize) {
        self.room = rows;
        self.scroll(0);
    }

    fn scroll(&mut self, rows: isize) {
        let last = self.listed().count().saturating_sub(self.room.max(1));
        self.scrolled = self.scrolled.saturating_add_signed(rows).min(last);
    }

    fn sort(&mut self) {
        let of = |cluster: &ClusterLine, amount: fn(&LastTurn) -> u64| {
            Reverse(cluster.last.as_ref().map_or(0, amount))
        };
        let shown = &mut self.sample.clusters.shown;
        shown.sort_by(|left, right| left.name.cmp(&right.name));
        match self.order {
            Order::NextTurn => shown.sort_by_key(ClusterLine::next_turn),
            Order::Name => {}
            Order::Booked => shown.sort_by_key(|cluster| of(cluster, |last| last.booked)),
            Order::Refused => shown.sort_by_key(|cluster| of(cluster, |last| last.refused)),
        }
    }
}
