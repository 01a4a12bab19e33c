//! Log lines, for people or for machines.
//!
//! The filter can be changed while the program runs: with `PUT /log` of the admin server, or with
//! SIGUSR1, which switches to [`DETAILED`] and back. Invariants: the filter belongs to this layer alone, so the layer of
//! traces does not see it; a filter that cannot be read changes nothing; the filter hides lines and no spans, so that a
//! line always names the spans around it.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::human::Human;
use super::ids::{AnyLayer, Installed, WithIds};
use crate::config::{Format, Logging};

/// Filter that SIGUSR1 switches to: every detail of the scheduler, and no more of the libraries below it.
pub const DETAILED: &str = "info,cue_=debug";

/// Target of lines that no filter hides: the filter itself was changed.
pub const ALWAYS: &str = "cue_scheduler::log_filter";

pub(super) fn layer<W>(
    logging: &Logging,
    writer: W,
    installed: &Installed,
) -> Result<(AnyLayer, LogFilter), FilterError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse(&logging.filter)?);
    let filter = filter_fn(is_always_shown).or(filter);
    let lines = fmt::layer().with_writer(writer);
    let (format, installed) = (logging.format, installed.clone());
    let layer = match format {
        Format::Human => {
            let lines = lines.event_format(WithIds {
                lines: Human,
                format,
                installed,
            });
            lines.with_filter(filter).boxed()
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true);
            let lines = lines.map_event_format(|lines| WithIds {
                lines,
                format,
                installed,
            });
            lines.with_filter(filter).boxed()
        }
    };
    let state = FilterState {
        current: logging.filter.clone(),
        before: None,
    };
    let state = Arc::new(Mutex::new(state));
    Ok((layer, LogFilter { handle, state }))
}

/// Returns true for spans of the scheduler, which are shown with the lines in them, and for lines that no filter hides.
fn is_always_shown(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata.is_span() && metadata.target().starts_with("cue_");
    is_ours || metadata.target() == ALWAYS
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    if filter.trim().is_empty() {
        return Err(FilterError::Empty);
    }
    EnvFilter::try_new(filter).map_err(|source| FilterError::Unreadable {
        filter: filter.to_owned(),
        source,
    })
}

/// The filter of the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The text is not a filter.
    #[error("`{filter}` is not a log filter, give one such as `info` or `warn,cue_dispatch=debug`")]
    Unreadable {
        /// The text.
        filter: String,
        /// Fault in it.
        #[source]
        source: ParseError,
    },
    /// The text is empty.
    #[error("an empty filter would hide every line, give `off` if that is meant")]
    Empty,
    /// The log has ended.
    #[error("the log of this filter has ended")]
    Gone(#[source] reload::Error),
}

/// Filter of the log of a running program. Clones share it.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    state: Arc<Mutex<FilterState>>,
}

#[derive(Debug)]
struct FilterState {
    current: String,
    /// Filter to return to, while the details are on.
    before: Option<String>,
}

impl LogFilter {
    /// Filter in use.
    #[must_use]
    pub fn current(&self) -> String {
        self.state().current.clone()
    }

    /// Changes the filter.
    ///
    /// # Errors
    /// The text cannot be read, or the log is gone. The filter in use stays.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let mut state = self.state();
        self.reload(filter)?;
        filter.clone_into(&mut state.current);
        state.before = None;
        Ok(())
    }

    /// Switches the details on, or back to the filter before. Returns the filter in use.
    ///
    /// # Errors
    /// The log is gone.
    pub fn toggle(&self) -> Result<String, FilterError> {
        let mut state = self.state();
        let (next, before) = match &state.before {
            Some(before) => (before.clone(), None),
            None => (DETAILED.to_owned(), Some(state.current.clone())),
        };
        self.reload(&next)?;
        state.current.clone_from(&next);
        state.before = before;
        Ok(next)
    }

    fn reload(&self, filter: &str) -> Result<(), FilterError> {
        self.handle
            .reload(parse(filter)?)
            .map_err(FilterError::Gone)
    }

    fn state(&self) -> MutexGuard<'_, FilterState> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn log(filter: &str, format: Format, speak: impl FnOnce()) -> String {
        let logging = Logging {
            filter: filter.to_owned(),
            format,
        };
        let lines = Lines::default();
        let writer = lines.clone();
        let (layer, _filter) =
            layer(&logging, move || writer.clone(), &Installed::default()).unwrap();
        tracing::subscriber::with_default(Registry::default().with(vec![layer]), speak);
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    #[test]
    fn a_line_names_its_spans_whatever_the_filter_hides() {
        let speak = || {
            let span = tracing::info_span!(target: "cue_dispatch", "launch", cue.frame.id = "f1");
            let _in = span.entered();
            tracing::info!(target: "cue_dispatch", "hidden");
            tracing::warn!(target: "cue_dispatch", host = "h1", "shown");
            tracing::info!(target: ALWAYS, "never hidden");
        };
        let json = log("warn", Format::Json, speak);
        assert!(json.lines().next().unwrap().contains("f1"), "{json}");
        let text = log("warn", Format::Human, speak);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let (before, line) = lines[0].split_once("launch: ").unwrap();
        assert!(before.ends_with(" WARN "), "{text}");
        assert_eq!(line, "cue_dispatch: shown host=\"h1\"");
        assert!(lines[1].ends_with("never hidden"), "{text}");
    }

    #[test]
    fn a_line_in_json_tells_an_error_with_its_causes() {
        let unreadable = EnvFilter::try_new("a=b=c").unwrap_err();
        let cause = unreadable.to_string();
        let error = FilterError::Unreadable {
            filter: "a=b=c".to_owned(),
            source: unreadable,
        };
        let text = log("info", Format::Json, || {
            tracing::warn!(error = %cue_flow::Chain(&error), "it stays");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let error = line["error"].as_str().unwrap();
        assert!(
            error.contains("not a log filter") && error.ends_with(&cause),
            "{error}"
        );
    }

    #[test]
    fn a_filter_takes_effect_at_once_and_a_bad_one_changes_nothing() {
        let logging = Logging {
            filter: "warn".to_owned(),
            format: Format::Human,
        };
        let lines = Lines::default();
        let writer = lines.clone();
        let (layer, filter) =
            layer(&logging, move || writer.clone(), &Installed::default()).unwrap();
        tracing::subscriber::with_default(Registry::default().with(vec![layer]), || {
            let speak = |turn: &str| {
                tracing::info!(target: "cue_dispatch", "info {turn}");
                tracing::debug!(target: "cue_dispatch", "detail {turn}");
                tracing::debug!(target: "h2", "noise {turn}");
            };
            speak("before");
            assert_eq!(filter.toggle().unwrap(), DETAILED);
            speak("toggled");
            assert_eq!(filter.toggle().unwrap(), "warn");
            speak("back");
            filter.set("info").unwrap();
            let error = filter.set("a=b=c").unwrap_err();
            assert!(
                error.to_string().contains("`a=b=c` is not a log filter"),
                "{error}"
            );
            speak("set");
        });
        assert_eq!(filter.current(), "info");
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let said: Vec<&str> = text
            .lines()
            .map(|line| line.rsplit(": ").next().unwrap())
            .collect();
        assert_eq!(said, ["info toggled", "detail toggled", "info set"]);
    }
}
