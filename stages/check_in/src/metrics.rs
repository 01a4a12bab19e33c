//! What check-in counts.

use cue_domain::messages::Returned;
use cue_flow::Labelled;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Check-in's metrics.
#[derive(Clone, Debug)]
pub struct CheckInMetrics {
    pub(crate) checkouts: Labelled,
    pub(crate) wasted: Labelled,
    pub(crate) refreshes: Labelled,
    pub(crate) hosts_leased: IntGauge,
    pub(crate) hosts_free: IntGauge,
    pub(crate) idle_cores: IntGauge,
    pub(crate) total_cores: IntGauge,
}

impl CheckInMetrics {
    /// Registers them. `wasted` counts hosts that were tried in vain, by reason, and `checkouts`
    /// searches for a host, by outcome; host match owns both.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(
        registry: &Registry,
        wasted: IntCounterVec,
        checkouts: IntCounterVec,
    ) -> Result<Self, prometheus::Error> {
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
        registry.register(Box::new(refreshes.clone()))?;
        registry.register(Box::new(hosts.clone()))?;
        registry.register(Box::new(idle_cores.clone()))?;
        registry.register(Box::new(total_cores.clone()))?;
        Ok(Self {
            checkouts: Labelled::new(
                checkouts,
                &["booked", "partly_booked", "no_progress", "dispatch_error"],
            ),
            wasted: Labelled::new(wasted, &["not_booked", "launch_failed", "abandoned"]),
            refreshes: Labelled::new(refreshes, &["ok", "error"]),
            hosts_leased: hosts.with_label_values(&["leased"]),
            hosts_free: hosts.with_label_values(&["free"]),
            idle_cores,
            total_cores,
        })
    }

    /// Counts hosts that came back because their batch was given up.
    pub(crate) fn abandoned(&self, hosts: u64) {
        self.wasted.inc_by("abandoned", hosts);
        self.checkouts.inc_by("dispatch_error", hosts);
    }

    pub(crate) fn returned(&self, host: &Returned) {
        let (placed, booked) = (host.placed, host.booked);
        if booked == 0 {
            // A cap refused everything, or the host was held or changed by somebody else.
            self.wasted.inc("not_booked");
        } else if host.launch_failures >= booked {
            self.wasted.inc("launch_failed");
        }
        let outcome = match (placed, booked) {
            (_, 0) => "no_progress",
            (placed, booked) if booked < placed => "partly_booked",
            _ => "booked",
        };
        self.checkouts.inc(outcome);
    }
}
