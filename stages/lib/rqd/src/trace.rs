//! The current span, in the words of W3C Trace Context.
//!
//! The span goes to RQD twice: in the headers of a call and in the environment of a
//! frame, so that both a proxy and a render can join the trace. Without a valid span nothing is
//! written: a made-up parent would tie unrelated work together.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A place in a trace, to go on from when its span has long ended.
#[derive(Clone, Debug, Default)]
pub struct TracePoint(Option<SpanContext>);

impl TracePoint {
    /// The span; nowhere when it is not traced.
    pub fn of(span: &tracing::Span) -> Self {
        let span = span.context().span().span_context().clone();
        Self(span.is_valid().then_some(span))
    }

    /// Returns true if it is no place at all.
    pub const fn is_nowhere(&self) -> bool {
        self.0.is_none()
    }

    /// Identifier of the trace, if it is sampled, and so may be found.
    pub fn sampled_trace(&self) -> Option<String> {
        let span = self.0.as_ref().filter(|span| span.is_sampled())?;
        Some(span.trace_id().to_string())
    }

    /// Links a span to this place. Nowhere, there is no link.
    pub fn link_from(&self, span: &tracing::Span) {
        if let Some(place) = &self.0 {
            span.add_link(place.clone());
        }
    }

    /// Puts a new span below this place. Nowhere, it stays where it is.
    pub fn adopt(&self, span: &tracing::Span) {
        if let Some(parent) = &self.0 {
            let context = Context::new().with_remote_span_context(parent.clone());
            // A span that nobody traces has no parent, and needs none.
            let _untraced = span.set_parent(context);
        }
    }
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
