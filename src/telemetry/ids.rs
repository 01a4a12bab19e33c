//! Identifiers of trace and span in log lines, so that a line leads to its turn.
//!
//! Lines in JSON have them as the fields `trace_id` and `span_id`; lines for people end with them from warnings on.
//! Invariant: only a trace that is sampled is named, since no other is found in Jaeger.

use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::dispatcher::WeakDispatch;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::config::Format;

/// Layer of the subscriber.
pub(super) type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The subscriber, known once it is installed.
#[derive(Clone, Debug, Default)]
pub(super) struct Installed(Arc<OnceLock<WeakDispatch>>);

impl Installed {
    /// Records the subscriber that is being installed.
    pub(super) fn is(&self, subscriber: &Dispatch) {
        // Only the first one is installed.
        let _known = self.0.set(subscriber.downgrade());
    }

    /// The span of a line, if its trace is sampled.
    fn span<S, N>(&self, context: &FmtContext<'_, S, N>) -> Option<SpanContext>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let span = context.lookup_current()?.id();
        let dispatch = self.0.get()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(&span, &dispatch)?;
        let span = context.span().span_context().clone();
        span.is_sampled().then_some(span)
    }
}

/// A format of lines with the identifiers at their end.
pub(super) struct WithIds<F> {
    pub(super) lines: F,
    pub(super) format: Format,
    pub(super) installed: Installed,
}

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let is_named = self.format == Format::Json || *event.metadata().level() <= Level::WARN;
        let span = is_named.then(|| self.installed.span(context)).flatten();
        let Some(span) = span else {
            return self.lines.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.lines
            .format_event(context, Writer::new(&mut line), event)?;
        let (trace, span) = (span.trace_id(), span.span_id());
        match (self.format, line.strip_suffix("}\n")) {
            (Format::Json, Some(fields)) => writeln!(
                writer,
                r#"{fields},"trace_id":"{trace}","span_id":"{span}"}}"#
            ),
            _ => writeln!(
                writer,
                "{} trace_id={trace} span_id={span}",
                line.trim_end()
            ),
        }
    }
}
