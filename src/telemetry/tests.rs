//! Telemetry as a whole: what is exported and what is logged, through `tracing` as the stages use it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::config::{self, Format, Sampler};

pub(super) fn telemetry() -> Telemetry {
    let environment = BTreeMap::from([(
        "CUE_DATABASE_URL".to_owned(),
        "postgresql://db.example/cue".to_owned(),
    )]);
    let defaults = config::load(None, &environment, &[]).settings.unwrap();
    Telemetry {
        service_name: Some("farm".to_owned()),
        resource_attributes: vec![("site".to_owned(), "a".to_owned())],
        ..defaults.telemetry
    }
}

pub(super) fn logging(filter: &str, format: Format) -> Logging {
    Logging {
        filter: filter.to_owned(),
        format,
    }
}

#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Exports all spans that have ended.
pub(super) fn flush(guard: &TelemetryGuard) {
    guard.provider.as_ref().unwrap().force_flush().unwrap();
}

/// Runs `act` under a subscriber with these settings, and returns the exported spans and the log.
fn observe(
    telemetry: &Telemetry,
    logging: &Logging,
    act: impl FnOnce(),
) -> (Vec<SpanData>, String) {
    let exporter = InMemorySpanExporter::default();
    let lines = Lines::default();
    let (subscriber, guard) =
        subscriber(telemetry, logging, Some(exporter.clone()), lines.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, act);
    flush(&guard);
    (exporter.get_finished_spans().unwrap(), lines.text())
}

/// Three spans of our own, and one of a library.
pub(super) fn turn(outcome: &str) {
    let root = tracing::info_span!(parent: None, "turn", cue.turn.outcome = tracing::field::Empty);
    {
        let stage = tracing::info_span!(parent: &root, "stage", otel.name = "dispatch");
        let _entered = stage.enter();
        tracing::info_span!("book", frames = 3).in_scope(|| tracing::info!("booked frames"));
        tracing::info_span!(target: "sqlx", "of_a_library").in_scope(|| {});
    }
    root.record("cue.turn.outcome", outcome);
}

#[tokio::test]
async fn a_turn_that_found_work_keeps_the_shape_of_its_trace() {
    let (spans, _) = observe(&telemetry(), &logging("info", Format::Human), || {
        turn("booked")
    });
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (root, stage, book) = (find("turn"), find("dispatch"), find("book"));
    assert_eq!(spans.len(), 3, "spans of libraries are left out");
    assert_eq!(stage.parent_span_id, root.span_context.span_id());
    assert_eq!(book.parent_span_id, stage.span_context.span_id());
    assert_eq!(root.parent_span_id, opentelemetry::SpanId::INVALID);
    for span in [stage, book] {
        assert_eq!(span.span_context.trace_id(), root.span_context.trace_id());
    }
}

#[tokio::test]
async fn a_turn_that_found_no_work_makes_no_trace() {
    let (spans, log) = observe(&telemetry(), &logging("info", Format::Human), || {
        turn("no_jobs");
        turn("booked");
    });
    assert_eq!(spans.len(), 3, "only the second turn is exported");
    assert_eq!(log.matches("booked frames").count(), 2, "{log}");
}

#[tokio::test]
async fn the_log_filter_takes_no_span_out_of_a_trace() {
    let (spans, log) = observe(&telemetry(), &logging("off", Format::Human), || {
        turn("booked")
    });
    assert_eq!((spans.len(), log.as_str()), (3, ""));
}

#[tokio::test]
async fn a_sampler_that_says_no_exports_nothing() {
    let off = Telemetry {
        sampler: Sampler::ParentBasedTraceIdRatio,
        sampler_arg: Some(0.0),
        ..telemetry()
    };
    let (spans, _) = observe(&off, &logging("info", Format::Human), || turn("booked"));
    assert_eq!(spans.len(), 0);
}

#[tokio::test]
async fn json_lines_are_objects_with_the_sentence_and_the_fields() {
    let (_, log) = observe(&telemetry(), &logging("info", Format::Json), || {
        tracing::info!(host = "a1", "a host came back");
    });
    let line: serde_json::Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!(line["message"], "a host came back");
    assert_eq!(line["host"], "a1");
    assert_eq!(line["level"], "INFO");
}

#[test]
fn the_resource_names_service_version_and_instance() {
    let resource = resource::resource(&telemetry());
    let value = |name: &'static str| resource.get(&name.into()).unwrap().to_string();
    assert_eq!(value("service.name"), "farm");
    assert_eq!(value("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(value("service.instance.id"), replica());
    assert_eq!(value("site"), "a");
    assert!(replica().ends_with(&std::process::id().to_string()));
}

#[test]
fn the_name_of_the_service_is_the_one_that_is_said_most_precisely() {
    let named = |own: Option<&str>, attribute: Option<&str>| {
        let attribute = attribute.map(|name| ("service.name".to_owned(), name.to_owned()));
        let telemetry = Telemetry {
            service_name: own.map(str::to_owned),
            resource_attributes: attribute.into_iter().collect(),
            ..telemetry()
        };
        let resource = resource::resource(&telemetry);
        resource.get(&"service.name".into()).unwrap().to_string()
    };
    assert_eq!(named(None, None), "cue-scheduler");
    assert_eq!(named(None, Some("north")), "north");
    assert_eq!(named(Some("farm"), Some("north")), "farm");
    assert_eq!(named(Some("farm"), None), "farm");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_is_away_costs_a_count_and_a_log_line() {
    // A port that was free a moment ago has nobody listening.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let away = Telemetry {
        endpoint: Some(format!("http://{address}")),
        ..telemetry()
    };
    let exporter = otlp::exporter(&away).unwrap();
    assert!(exporter.is_some());
    let (subscriber, guard) = subscriber(
        &away,
        &logging("info", Format::Human),
        exporter,
        Lines::default(),
    )
    .unwrap();
    tracing::subscriber::with_default(subscriber, || turn("booked"));
    let counts = guard.counts.clone();
    let finished = tokio::time::timeout(FLUSH_LIMIT * 2, guard.finish()).await;
    assert!(finished.is_ok(), "the end is bounded");
    let spans = [counts.spans.count("ok"), counts.spans.count("failed")];
    assert_eq!(spans, [0, 3]);
}
