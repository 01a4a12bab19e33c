//! Log lines: one a fact, for people or for machines.
//!
//! The filter can be changed while the program runs: with `PUT /log` of the admin server, or with
//! SIGUSR1, which switches between the filter that was set and [`DETAILED`] and back. Invariants: the
//! filter belongs to this layer alone, so the layer of traces does not see it; a filter that cannot
//! be read changes nothing; it chooses among lines only, so that a line always has the ids of the
//! spans that it stands in.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::TelemetryError;
use crate::config::{Format, Logging};

/// What SIGUSR1 switches to: every detail of the scheduler, and no more of the libraries below it.
pub const DETAILED: &str = "info,cue_=debug";

/// The target of lines that no filter hides: that the filter itself was changed, and by whom.
pub const ALWAYS: &str = "cue_scheduler::log_filter";

/// A layer of the subscriber, whatever it is made of.
pub(super) type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

pub(super) fn layer<W>(
    logging: &Logging,
    writer: W,
) -> Result<(AnyLayer, LogFilter), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&logging.filter).map_err(|source| TelemetryError::Filter {
        filter: logging.filter.clone(),
        source,
    })?;
    let (filter, handle) = reload::Layer::new(filter);
    let filter = filter_fn(is_always_shown).or(filter);
    let lines = fmt::layer().with_writer(writer);
    let layer = match logging.format {
        Format::Human => lines.with_filter(filter).boxed(),
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let shown = Shown {
        current: logging.filter.clone(),
        before: None,
    };
    let filter = LogFilter {
        handle,
        shown: Arc::new(Mutex::new(shown)),
    };
    Ok((layer, filter))
}

/// Our own spans, which are shown with the lines in them, and the lines that nothing hides.
fn is_always_shown(what: &Metadata<'_>) -> bool {
    let is_ours = what.is_span() && what.target().starts_with("cue_");
    is_ours || what.target() == ALWAYS
}

/// Why the filter of the log stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It is not a filter.
    #[error("`{filter}` is not a log filter, give one such as `info` or `warn,cue_dispatch=debug`")]
    Unreadable {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Nothing is given.
    #[error("an empty filter would hide every line, give `off` if that is meant")]
    Empty,
    /// The log it belongs to has ended.
    #[error("the log of this filter has ended")]
    Gone(#[source] reload::Error),
}

/// The filter of the log of a running program. Cloning shares it.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug)]
struct Shown {
    current: String,
    /// What to go back to, while the details are on.
    before: Option<String>,
}

impl LogFilter {
    /// The filter that is in use.
    #[must_use]
    pub fn current(&self) -> String {
        self.shown().current.clone()
    }

    /// Uses another filter from now on.
    ///
    /// # Errors
    /// It cannot be read, or the log is gone. The filter in use stays.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let mut shown = self.shown();
        self.put(filter)?;
        filter.clone_into(&mut shown.current);
        shown.before = None;
        Ok(())
    }

    /// Switches the details on, or back to what was in use before. Returns what is in use now.
    ///
    /// # Errors
    /// The log is gone.
    pub fn toggle(&self) -> Result<String, FilterError> {
        let mut shown = self.shown();
        let (next, before) = match &shown.before {
            Some(before) => (before.clone(), None),
            None => (DETAILED.to_owned(), Some(shown.current.clone())),
        };
        self.put(&next)?;
        shown.current.clone_from(&next);
        shown.before = before;
        Ok(next)
    }

    fn put(&self, filter: &str) -> Result<(), FilterError> {
        if filter.trim().is_empty() {
            return Err(FilterError::Empty);
        }
        let parsed = EnvFilter::try_new(filter).map_err(|source| FilterError::Unreadable {
            filter: filter.to_owned(),
            source,
        })?;
        self.handle.reload(parsed).map_err(FilterError::Gone)
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
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
            self.0.lock().unwrap().write(bytes)
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
        let (layer, _filter) = layer(&logging, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(Registry::default().with(vec![layer]), speak);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_has_the_ids_of_its_spans_whatever_the_filter_hides() {
        let speak = || {
            let span = tracing::info_span!(target: "cue_dispatch", "launch", frame.id = "f1");
            let _in = span.entered();
            tracing::info!(target: "cue_dispatch", "hidden");
            tracing::warn!(target: "cue_dispatch", "shown");
            tracing::info!(target: ALWAYS, "never hidden");
        };
        let told = log("warn", Format::Human, speak);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(
            lines[0].contains("f1") && lines[0].ends_with("shown"),
            "{told}"
        );
        assert!(lines[1].ends_with("never hidden"), "{told}");
    }

    #[test]
    fn a_line_in_json_tells_an_error_with_its_causes() {
        let unreadable = EnvFilter::try_new("a=b=c").unwrap_err();
        let cause = unreadable.to_string();
        let error = FilterError::Unreadable {
            filter: "a=b=c".to_owned(),
            source: unreadable,
        };
        let told = log("info", Format::Json, || {
            tracing::warn!(error = %cue_flow::Chain(&error), "it stays");
        });
        let line: serde_json::Value = serde_json::from_str(&told).unwrap();
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
        let (layer, filter) = layer(&logging, move || writer.clone()).unwrap();
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
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let said: Vec<&str> = text
            .lines()
            .map(|line| line.rsplit(": ").next().unwrap())
            .collect();
        assert_eq!(said, ["info toggled", "detail toggled", "info set"]);
    }
}
