//! Memory of the terminal view between samples: position, order, and the silence of the service.
//!
//! Invariant: no key and no sample scrolls beyond the last row.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::status::{Cluster, HostList, HostRow, HostState, LastTurn, Show, Status};

/// Key by which clusters are sorted.
type OrderKey = fn(&Cluster) -> u64;

/// Orders of the clusters: name and key. Clusters with the same key are in the order of their names.
const ORDERS: [(&str, OrderKey); 4] = [
    ("next turn", Cluster::next_turn),
    ("name", |_| 0),
    ("booked", |cluster| descending(cluster, |last| last.booked)),
    ("refused", |cluster| {
        descending(cluster, |last| last.refused)
    }),
];

/// Silence of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The reason in a few words.
    pub(super) words: String,
    /// Age of the last sample.
    pub(super) silent: Duration,
}

/// A screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Screen {
    /// Shows, or clusters where the service sends no shows, and the pipeline.
    #[default]
    Farm,
    /// The pipeline with its clusters.
    Clusters,
    /// Hosts.
    Hosts,
}

/// The newest sample and the way it is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) status: Status,
    pub(super) hosts: HostList,
    pub(super) trouble: Option<Trouble>,
    screen: Screen,
    of_state: Option<HostState>,
    order: usize,
    scrolled: usize,
}

impl State {
    /// Takes in a new sample.
    pub(super) fn show(&mut self, status: Status) {
        self.status = status;
        self.trouble = None;
        self.sort();
    }

    /// Records that no sample comes. A reason that is known stays until there is another.
    pub(super) fn lose(&mut self, reason: Option<String>, silent: Duration) {
        let known = self.trouble.take().map(|trouble| trouble.words);
        let words = reason.or(known);
        let words = words.unwrap_or_else(|| "the service does not answer".to_owned());
        self.trouble = Some(Trouble { words, silent });
    }

    /// Takes in hosts.
    pub(super) fn show_hosts(&mut self, hosts: HostList) {
        self.hosts = hosts;
        self.fit(1);
    }

    /// The screen that is shown.
    pub(super) fn screen(&self) -> Screen {
        match self.screen {
            Screen::Farm if self.status.shows.is_empty() => Screen::Clusters,
            screen => screen,
        }
    }

    /// State of the hosts that are asked for.
    pub(super) const fn of_state(&self) -> Option<HostState> {
        self.of_state
    }

    /// Turns to the pipeline with its clusters.
    pub(super) const fn show_clusters(&mut self) {
        self.screen = Screen::Clusters;
    }

    fn turn_to(&mut self, screen: Screen) {
        self.screen = if self.screen == screen {
            Screen::Farm
        } else {
            screen
        };
        self.scrolled = 0;
    }

    /// Asks for the hosts of the next state; after the last one, for all.
    fn next_state(&mut self) {
        let place = self.of_state.and_then(|state| {
            let mut states = HostState::ALL.into_iter();
            states.position(|other| other == state)
        });
        let next = place.map_or(0, |place| place + 1);
        self.of_state = HostState::ALL.get(next).copied();
        self.scrolled = 0;
    }

    /// Handles a key. Returns true if it ends the view.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if control => return true,
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::PageDown => self.scroll(10),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX),
            KeyCode::Char('h') | KeyCode::Tab => self.turn_to(Screen::Hosts),
            KeyCode::Char('c') => self.turn_to(Screen::Clusters),
            KeyCode::Char('f') if self.screen == Screen::Hosts => self.next_state(),
            KeyCode::Char('s') => {
                self.order = (self.order + 1) % ORDERS.len();
                self.sort();
            }
            _ => {}
        }
        false
    }

    /// Scrolls back if there is room for more rows than are left.
    pub(super) fn fit(&mut self, room: usize) {
        let rows = match self.screen() {
            Screen::Farm => self.status.shows.len(),
            Screen::Clusters => self.status.clusters.len(),
            Screen::Hosts => self.hosts.hosts.len(),
        };
        let last = rows.saturating_sub(room.max(1));
        self.scrolled = self.scrolled.min(last);
    }

    /// The clusters from where the list is scrolled to.
    pub(super) fn listed(&self) -> &[Cluster] {
        let clusters = &self.status.clusters;
        clusters.get(self.scrolled..).unwrap_or_default()
    }

    /// The shows from where the list is scrolled to.
    pub(super) fn listed_shows(&self) -> &[Show] {
        self.status.shows.get(self.scrolled..).unwrap_or_default()
    }

    /// The hosts from where the list is scrolled to.
    pub(super) fn listed_hosts(&self) -> &[HostRow] {
        self.hosts.hosts.get(self.scrolled..).unwrap_or_default()
    }

    /// Name of the order of the clusters.
    pub(super) fn order(&self) -> &'static str {
        ORDERS[self.order].0
    }

    fn scroll(&mut self, rows: isize) {
        self.scrolled = self.scrolled.saturating_add_signed(rows);
        self.fit(1);
    }

    fn sort(&mut self) {
        let clusters = &mut self.status.clusters;
        clusters.sort_by(|left, right| left.name.cmp(&right.name));
        clusters.sort_by_key(ORDERS[self.order].1);
    }
}

/// Key by which the greatest amount comes first.
fn descending(cluster: &Cluster, amount: fn(&LastTurn) -> u64) -> u64 {
    u64::MAX - cluster.last.as_ref().map_or(0, amount)
}
