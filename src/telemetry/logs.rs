//! Log lines: one a fact, for people or for machines.
//!
//! Invariant: the filter belongs to this layer alone; the layer of traces does not see it.

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::TelemetryError;
use crate::config::{Format, Logging};

/// A layer of the subscriber, whatever it is made of.
pub(super) type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

pub(super) fn layer<W>(logging: &Logging, writer: W) -> Result<AnyLayer, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&logging.filter).map_err(|source| TelemetryError::Filter {
        filter: logging.filter.clone(),
        source,
    })?;
    let lines = fmt::layer().with_writer(writer);
    Ok(match logging.format {
        Format::Human => lines.with_filter(filter).boxed(),
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    })
}
