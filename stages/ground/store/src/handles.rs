//! The counters and times of statements, each looked up once.
//!
//! A batch makes a dozen round trips, so their metrics must cost next to nothing. Invariant: a series
//! begins when its statement is first sent, so a scrape holds no statement that was never used.

use std::collections::HashMap;
use std::sync::OnceLock;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::statements::ALL;

/// What is counted of all statements.
#[derive(Debug)]
pub(crate) struct Handles {
    statements: IntCounterVec,
    seconds: HistogramVec,
    known: HashMap<&'static str, Handle>,
}

#[derive(Debug, Default)]
struct Handle {
    ok: OnceLock<IntCounter>,
    error: OnceLock<IntCounter>,
    seconds: OnceLock<Histogram>,
}

/// Round trips that are no statement of ours, but frame a transaction or a connection.
const FRAMING: [&str; 4] = ["acquire", "begin", "commit", "rollback"];

impl Handles {
    /// The handles of these families, by `statement` and `outcome` and by `statement`.
    pub(crate) fn new(statements: IntCounterVec, seconds: HistogramVec) -> Self {
        let ours = ALL.iter().map(|statement| statement.name);
        let known = ours.chain(FRAMING);
        Self {
            statements,
            seconds,
            known: known.map(|name| (name, Handle::default())).collect(),
        }
    }

    /// Counts a round trip that took so many seconds.
    pub(crate) fn note(&self, name: &str, seconds: f64, ok: bool) {
        let outcome = if ok { "ok" } else { "error" };
        let count = || self.statements.with_label_values(&[name, outcome]);
        let time = || self.seconds.with_label_values(&[name]);
        match self.known.get(name) {
            Some(handle) => {
                let counter = if ok { &handle.ok } else { &handle.error };
                counter.get_or_init(count).inc();
                handle.seconds.get_or_init(time).observe(seconds);
            }
            None => {
                count().inc();
                time().observe(seconds);
            }
        }
    }
}
