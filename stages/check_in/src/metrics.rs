//! What check-in counts.

use cue_domain::messages::Returned;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Check-in's metrics.
#[derive(Clone, Debug)]
pub struct CheckInMetrics {
    outcome: IntCounterVec,
    pub(crate) wasted: IntCounterVec,
    pub(crate) refreshes: IntCounterVec,
    pub(crate) hosts: IntGaugeVec,
    pub(crate) idle_cores: IntGauge,
    pub(crate) total_cores: IntGauge,
}

impl CheckInMetrics {
    /// Registers them. `wasted` counts hosts that were tried in vain, by reason; host match owns it.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry, wasted: IntCounterVec) -> Result<Self, prometheus::Error> {
        let outcome = IntCounterVec::new(
            Opts::new(
                "scheduler_checkout_outcome_total",
                "Hosts that came back from a batch, by what it put on them",
            ),
            &["outcome"],
        )?;
        let refreshes = IntCounterVec::new(
            Opts::new(
                "scheduler_host_refreshes_total",
                "Readings of the farm's hosts, by outcome",
            ),
            &["outcome"],
        )?;
        let hosts = IntGaugeVec::new(
            Opts::new(
                "scheduler_hosts",
                "Hosts in the index, by whether a batch holds them",
            ),
            &["state"],
        )?;
        let idle_cores = IntGauge::new(
            "scheduler_hosts_idle_centicores",
            "Idle cores of the indexed hosts, in hundredths",
        )?;
        let total_cores = IntGauge::new(
            "scheduler_hosts_total_centicores",
            "Cores of the indexed hosts, in hundredths",
        )?;
        for value in ["booked", "partly_booked", "no_progress"] {
            outcome.with_label_values(&[value]).reset();
        }
        for reason in ["not_booked", "launch_failed", "abandoned"] {
            wasted.with_label_values(&[reason]).reset();
        }
        for value in ["ok", "error"] {
            refreshes.with_label_values(&[value]).reset();
        }
        registry.register(Box::new(outcome.clone()))?;
        registry.register(Box::new(refreshes.clone()))?;
        registry.register(Box::new(hosts.clone()))?;
        registry.register(Box::new(idle_cores.clone()))?;
        registry.register(Box::new(total_cores.clone()))?;
        Ok(Self {
            outcome,
            wasted,
            refreshes,
            hosts,
            idle_cores,
            total_cores,
        })
    }

    /// Counts hosts that came back because their batch was given up.
    pub(crate) fn abandoned(&self, hosts: u64) {
        self.wasted.with_label_values(&["abandoned"]).inc_by(hosts);
    }

    pub(crate) fn returned(&self, host: &Returned) {
        let (placed, booked) = (host.placed, host.booked);
        if booked == 0 {
            // A cap refused everything, or the host was held or changed by somebody else.
            self.wasted.with_label_values(&["not_booked"]).inc();
        } else if host.launch_failures >= booked {
            self.wasted.with_label_values(&["launch_failed"]).inc();
        }
        let outcome = match (placed, booked) {
            (_, 0) => "no_progress",
            (placed, booked) if booked < placed => "partly_booked",
            _ => "booked",
        };
        self.outcome.with_label_values(&[outcome]).inc();
    }
}
