//! A scrape of a scheduler that has booked, as data.
//!
//! Invariant: all tests share one scrape, because starting a farm takes seconds.

use std::collections::{BTreeMap, BTreeSet};

use cue_simfarm::rqd::SimRqdSettings;
use cue_simfarm::waiting::until;
use tokio::sync::OnceCell;

use crate::collector::Collector;
use crate::yard::Yard;

/// A metric as it was scraped.
#[derive(Debug, Default)]
pub struct Scraped {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its labels and the values seen.
    pub labels: BTreeMap<String, BTreeSet<String>>,
    /// Ends of the buckets of a histogram, in the order of the scrape; each once.
    pub bounds: Vec<String>,
}

/// The metrics of a scheduler that has booked and launched, by name.
pub async fn metrics() -> BTreeMap<String, Scraped> {
    read(text().await)
}

/// The metrics of a scheduler that has booked and launched, as text.
pub async fn text() -> &'static str {
    static TEXT: OnceCell<String> = OnceCell::const_new();
    TEXT.get_or_init(scrape).await
}

async fn scrape() -> String {
    let collector = Collector::grpc().await;
    let yard = Yard::new(2, SimRqdSettings::default()).await;
    yard.farm.frames("shot", 4, |_| ()).await.unwrap();
    let program = yard.schedule(&collector, &[]).await;
    yard.launched(4).await;
    collector.trace("a turn that booked", |_| true).await;
    // A round trip is counted with the second turn of a cluster, which needs new work.
    yard.farm.frames("next", 1, |_| ()).await.unwrap();
    yard.launched(5).await;
    // More cores than any host has, so its frame waits for good.
    yard.farm
        .frames("wide", 1, |layer| layer.cores_min = 6_400)
        .await
        .unwrap();
    let mut text = String::new();
    until(
        "a round trip and a waiting frame to be counted",
        async || {
            text = program.get("/metrics").await.1;
            text.contains("scheduler_cluster_round_trip_seconds_count")
                && text.contains("reason=\"no_host\"")
        },
    )
    .await;
    yard.close(program).await;
    text
}

/// Reads the text format.
pub fn read(text: &str) -> BTreeMap<String, Scraped> {
    let mut all: BTreeMap<String, Scraped> = BTreeMap::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            let (name, kind) = about.split_once(' ').unwrap();
            kind.clone_into(&mut all.entry(name.to_owned()).or_default().kind);
        } else if !line.starts_with('#') && !line.is_empty() {
            let (series, _value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.trim_end_matches('}')),
                None => (series, ""),
            };
            let metric = all.get_mut(family(name, &all).as_str()).unwrap();
            for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
                let (label, value) = pair.split_once('=').unwrap();
                metric.note(label, value.trim_matches('"').to_owned());
            }
        }
    }
    all
}

impl Scraped {
    fn note(&mut self, label: &str, value: String) {
        if label != "le" {
            let values = self.labels.entry(label.to_owned()).or_default();
            values.insert(value);
        } else if !self.bounds.contains(&value) {
            self.bounds.push(value);
        }
    }
}

/// The metric that a line belongs to: those of a histogram have an ending.
fn family(name: &str, known: &BTreeMap<String, Scraped>) -> String {
    let endings = ["_bucket", "_sum", "_count"];
    let stems = endings
        .iter()
        .filter_map(|ending| name.strip_suffix(ending));
    let of_histogram = stems
        .into_iter()
        .find(|stem| known.get(*stem).is_some_and(|m| m.kind == "histogram"));
    of_histogram.unwrap_or(name).to_owned()
}
