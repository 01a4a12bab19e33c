//! The way of a span: sampler, tail filter, entrance of the queue, bounded queue, exporter.
//!
//! Invariant: what the settings say is passed to the library. It reads the environment for what it is
//! not told, and then there would be two truths. Two things it cannot be told: that nothing is to be
//! compressed, and that there are no headers but these. So what the variables of both say counts even
//! when a flag says otherwise, which the page of settings tells.

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

pub(super) fn provider<E: SpanExporter + 'static>(
    telemetry: &Telemetry,
    exporter: E,
    counts: &Counts,
) -> SdkTracerProvider {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(telemetry.queue.get())
        // Whoever makes the queue small has not asked for large batches.
        .with_max_export_batch_size(telemetry.batch.min(telemetry.queue).get())
        .with_scheduled_delay(telemetry.delay)
        .build();
    let places = Places::new(telemetry.queue.get());
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
