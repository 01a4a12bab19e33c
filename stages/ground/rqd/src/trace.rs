//! The current span, in the words of W3C Trace Context.
//!
//! What is written here goes to RQD twice: in the headers of a call and in the environment of a
//! frame, so that both a proxy and a render can join the trace. Without a valid span nothing is
//! written: a made-up parent would tie unrelated work together.

use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// `traceparent` of the current span; `None` when tracing is off.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    current().as_ref().map(traceparent)
}

pub(crate) fn current() -> Option<SpanContext> {
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

pub(crate) fn traceparent(span: &SpanContext) -> String {
    let flags = span.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
}
