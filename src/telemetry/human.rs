//! Log lines for people, who read the message first.
//!
//! Lines in JSON have every field of the spans around them. A dozen of these would hide the message of a line for
//! people, and the trace has them, so such a line has the names of the spans alone.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Lines for people: time, level, names of the spans around, target, message, fields of the line itself.
pub(super) struct Human;

impl<S, N> FormatEvent<S, N> for Human
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let metadata = event.metadata();
        write!(writer, " {:>5} ", metadata.level())?;
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            write!(writer, "{}:", span.name())?;
        }
        if context.lookup_current().is_some() {
            writer.write_char(' ')?;
        }
        write!(writer, "{}: ", metadata.target())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
