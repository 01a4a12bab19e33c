//! The way of a span: sampler, tail filter, entrance of the queue, bounded queue, exporter.
//!
//! Invariant: what the settings say is passed to the library in full. It reads the environment for
//! what it is not told, and then there would be two truths.

use std::time::Duration;

use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanExporter,
};

use super::counts::Counts;
use super::queue::{Entrance, Places};
use super::resource::resource;
use super::sampler::Head;
use super::tail::{Keep, Limits, TailFilter};
use super::watched::Watched;
use crate::config::Telemetry;

/// How many ended spans may wait for the exporter; those that do not fit are left out.
pub(super) const QUEUE: usize = 16_384;

/// How many spans are sent at a time.
pub(super) const BATCH: usize = 1024;

/// How long a span waits for others to be sent with.
const DELAY: Duration = Duration::from_secs(1);

pub(super) fn provider<E: SpanExporter + 'static>(
    telemetry: &Telemetry,
    exporter: E,
    counts: &Counts,
) -> SdkTracerProvider {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let places = Places::new(QUEUE);
    let watched = Watched::new(exporter, places.clone(), counts.clone());
    let queue = BatchSpanProcessor::builder(watched)
        .with_batch_config(batches)
        .build();
    let entrance = Entrance::new(queue, places, counts.clone());
    let keep = Keep {
        slow: telemetry.keep_slow,
        failed: telemetry.keep_failed,
    };
    let tail = TailFilter::new(entrance, keep, Limits::default(), counts.clone());
    SdkTracerProvider::builder()
        .with_sampler(Head::new(telemetry))
        .with_resource(resource(telemetry))
        .with_span_processor(tail)
        .build()
}
