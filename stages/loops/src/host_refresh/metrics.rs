//! Metrics of the host refresh.

use cue_check_in::CheckInMetrics;
use cue_flow::Labelled;
use cue_hosts::IndexStats;
use prometheus::{IntGauge, IntGaugeVec};

cue_flow::metrics! {
    /// Metrics of the readings and of the index that they fill.
    pub struct HostMetrics {
        pub(super) refreshes: Labelled = "scheduler_host_refreshes_total",
            "Readings of the farm's hosts, by outcome",
            ("outcome", &["ok", "error"]);
        hosts: IntGaugeVec = "scheduler_hosts",
            "Hosts in the index, by whether a batch holds them",
            &["state"];
        idle_cores: IntGauge = "scheduler_hosts_idle_centicores",
            "Idle cores of the indexed hosts, in hundredths";
        total_cores: IntGauge = "scheduler_hosts_total_centicores",
            "Cores of the indexed hosts, in hundredths";
    }
    given {
        /// Metrics of hosts that come back without check-in.
        pub(super) returns: CheckInMetrics;
    }
}

impl HostMetrics {
    /// Sets the gauges of the index.
    pub(super) fn set(&self, stats: &IndexStats) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let hosts = |state| self.hosts.with_label_values(&[state]);
        hosts("leased").set(number(stats.leased));
        let free = stats.hosts.saturating_sub(stats.leased);
        hosts("free").set(number(free));
        self.idle_cores.set(stats.idle_cores.0);
        self.total_cores.set(stats.total_cores.0);
    }
}
