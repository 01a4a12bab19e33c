//! Metrics of the pool of connections, by the names of OpenTelemetry's conventions. They are read when they are scraped.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use sqlx::PgPool;

/// Registers the metrics of the pool.
///
/// # Errors
/// A name is taken.
pub(crate) fn register(pool: &PgPool, registry: &Registry) -> Result<(), prometheus::Error> {
    let connections = Opts::new(
        "db_client_connection_count",
        "Connections of the pool to the database, by state",
    );
    let most = IntGauge::new(
        "db_client_connection_max",
        "Connections that the pool may open",
    )?;
    most.set(pool.options().get_max_connections().into());
    registry.register(Box::new(most))?;
    registry.register(Box::new(Connections {
        pool: pool.clone(),
        by_state: IntGaugeVec::new(connections, &["db_client_connection_state"])?,
    }))
}

/// Open connections by state.
struct Connections {
    pool: PgPool,
    by_state: IntGaugeVec,
}

impl Collector for Connections {
    fn desc(&self) -> Vec<&Desc> {
        self.by_state.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let idle = i64::try_from(self.pool.num_idle()).unwrap_or(i64::MAX);
        // The two are not read at one moment.
        let used = i64::from(self.pool.size()).saturating_sub(idle).max(0);
        for (state, connections) in [("idle", idle), ("used", used)] {
            self.by_state.with_label_values(&[state]).set(connections);
        }
        self.by_state.collect()
    }
}
