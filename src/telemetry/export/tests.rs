//! Exports that fail, hang or fall behind: each span is counted once, and the log reports it once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::FutureExt as _;
use tokio::sync::watch;

use super::super::tests::{Lines, flush, logging, telemetry, turn};
use super::super::{FLUSH_LIMIT, TelemetryGuard, subscriber};
use super::*;
use crate::config::Format;

/// Spans of a turn that books.
const SPANS: usize = 3;

/// Turns that end, and more spans than the queue holds.
const TURNS: usize = 10_000;

fn run(
    telemetry: &Telemetry,
    exporter: impl SpanExporter + 'static,
    turns: usize,
) -> TelemetryGuard {
    let quiet = logging("off", Format::Human);
    let (subscriber, guard) =
        subscriber(telemetry, &quiet, Some(exporter), Lines::default()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..turns {
            turn("booked");
        }
    });
    guard
}

/// Collector that takes a batch and answers once the gate is open.
#[derive(Debug)]
struct Gated(watch::Receiver<bool>);

impl SpanExporter for Gated {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        let mut open = self.0.clone();
        let _gate_is_gone = open.wait_for(|open| *open).await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_span_is_exported_or_counted_as_left_out() {
    let patient = Telemetry {
        timeout: Duration::from_secs(600),
        ..telemetry()
    };
    let (gate, open) = watch::channel(false);
    let guard = run(&patient, Gated(open), TURNS);
    gate.send_replace(true);
    flush(&guard);
    let spans = &guard.counts.spans;
    let (exported, left_out) = (spans.count("ok"), spans.count("left_out"));
    assert!(left_out > 0, "more spans than the queue holds");
    assert_eq!(exported + left_out, (TURNS * SPANS) as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_never_answers_delays_neither_the_work_nor_the_end() {
    let patient = Telemetry {
        timeout: Duration::from_secs(600),
        ..telemetry()
    };
    let (_gate, closed) = watch::channel(false);
    let guard = run(&patient, Gated(closed), TURNS);
    // The exporter may have taken a batch out of the queue.
    let left_out = guard.counts.spans.count("left_out");
    let (queue, batch) = (patient.queue.get(), patient.batch.get());
    let least = (TURNS * SPANS - queue - batch) as u64;
    assert!((least..=least + batch as u64).contains(&left_out));
    let finished = guard.finish_within(Duration::from_millis(50));
    assert!(tokio::time::timeout(FLUSH_LIMIT, finished).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_export_that_hangs_fails_after_the_timeout() {
    let hasty = Telemetry {
        timeout: Duration::from_millis(50),
        ..telemetry()
    };
    let (_gate, closed) = watch::channel(false);
    let guard = run(&hasty, Gated(closed), 1);
    let counts = guard.counts.clone();
    guard.finish().await;
    let spans = [counts.spans.count("ok"), counts.spans.count("failed")];
    assert_eq!(spans, [0, SPANS as u64]);
}

/// Collector that never answers, and records that nobody waits for it any longer.
#[derive(Debug)]
struct Abandoned(Arc<AtomicBool>);

impl SpanExporter for Abandoned {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        struct OnDrop(Arc<AtomicBool>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let _until_dropped = OnDrop(Arc::clone(&self.0));
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_export_is_under_way_when_the_program_has_ended() {
    let patient = Telemetry {
        timeout: Duration::from_secs(600),
        ..telemetry()
    };
    let is_abandoned = Arc::new(AtomicBool::new(false));
    let guard = run(&patient, Abandoned(Arc::clone(&is_abandoned)), TURNS);
    guard.finish_within(Duration::from_millis(50)).await;
    assert!(
        is_abandoned.load(Ordering::SeqCst),
        "the runtime may end now"
    );
}

/// Collector that fails a few times.
#[derive(Debug)]
struct Failing(AtomicU32);

impl SpanExporter for Failing {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 {
            return Ok(());
        }
        Err(OTelSdkError::InternalFailure(
            "connection refused".to_owned(),
        ))
    }
}

#[test]
fn a_failure_is_logged_when_it_begins_and_when_it_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exporter = MonitoredExporter {
        inner: Failing(AtomicU32::new(2)),
        runtime: runtime.handle().clone(),
        timeout: Duration::from_secs(10),
        slots: Arc::new(Semaphore::new(1)),
        counts: Counts::new(),
        trouble: Trouble::new(None),
        ended: ExportEnd::default(),
    };
    let lines = Lines::default();
    let log = tracing_subscriber::fmt().with_writer(lines.clone());
    tracing::subscriber::with_default(log.finish(), || {
        let exports = (0..4).map(|_| exporter.export(Vec::new()).now_or_never().unwrap().is_ok());
        assert_eq!(exports.collect::<Vec<_>>(), [false, false, true, true]);
    });
    let text = lines.text();
    let logged = |words: &str| text.matches(words).count();
    assert_eq!(logged("spans cannot be exported"), 1, "{text}");
    assert_eq!(logged("connection refused"), 1, "{text}");
    assert_eq!(logged("spans are exported again"), 1, "{text}");
}
