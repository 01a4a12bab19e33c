//! Counters by a label whose values are known beforehand.
//!
//! The handles are looked up once, so that counting on the hot path takes no lock and no hash of a
//! label. Invariant: every known value is at zero from the start, so that a rate has a beginning.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec};

/// A family of counters by one label.
#[derive(Clone, Debug)]
pub struct Labelled {
    family: IntCounterVec,
    known: Arc<[(&'static str, IntCounter)]>,
}

impl Labelled {
    /// The counters of `family` for these values of its one label.
    pub fn new(family: IntCounterVec, values: &[&'static str]) -> Self {
        let known = values
            .iter()
            .map(|value| (*value, family.with_label_values(&[*value])))
            .collect();
        Self { family, known }
    }

    /// Counts one more.
    pub fn inc(&self, value: &str) {
        self.inc_by(value, 1);
    }

    /// Counts `more`. A value that was not known beforehand is counted too, at more cost.
    pub fn inc_by(&self, value: &str, more: u64) {
        match self.known.iter().find(|(known, _)| *known == value) {
            Some((_, counter)) => counter.inc_by(more),
            None => self.family.with_label_values(&[value]).inc_by(more),
        }
    }

    /// Count of a value so far.
    pub fn count(&self, value: &str) -> u64 {
        self.family.with_label_values(&[value]).get()
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    #[test]
    fn every_known_value_is_there_from_the_start_and_no_count_is_lost() {
        let family = IntCounterVec::new(Opts::new("n", "N."), &["kind"]).unwrap();
        let counters = Labelled::new(family.clone(), &["a", "b"]);
        let series = prometheus::core::Collector::collect(&family)[0]
            .get_metric()
            .len();
        assert_eq!((series, counters.count("a")), (2, 0));
        counters.inc("a");
        counters.inc_by("a", 2);
        counters.inc("new");
        let counted = ["a", "b", "new"].map(|value| counters.count(value));
        assert_eq!(counted, [3, 0, 1]);
    }
}
