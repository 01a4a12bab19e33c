//! Settings of the choice of hosts: their order, and when a host is left alone.
//!
//! Invariant: nothing here can over-book a host. The transaction that books checks the host again;
//! these settings only decide the order of the attempts.

use std::time::Duration;

use cue_domain::Kib;

use super::rules::{choice, decimal, duration_or_never, flag, list, size};
use super::topic::topic;

/// Choice of the best of several hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Fill hosts that already run frames before empty ones are opened.
    Saturation,
    /// The host that the frame wastes least of.
    Epvm,
}

topic! {
    /// Choice of hosts.
    Matching in "matching" {
        /// Choice of the best of several hosts.
        strategy: Strategy = Some("saturation"), "CUE_STRATEGY",
            choice(&[("saturation", Strategy::Saturation), ("epvm", Strategy::Epvm)]);
        /// Fill hosts with few idle cores first.
        core_saturation: bool = Some("true"), "CUE_CORE_SATURATION", flag();
        /// Fill hosts with little idle memory first.
        memory_saturation: bool = Some("false"), "CUE_MEMORY_SATURATION", flag();
        /// With `epvm`: the weight of cores that the layer could not use any more.
        epvm_cores: f64 = Some("1"), "CUE_EPVM_CORES", decimal(0.0..=1e6);
        /// With `epvm`: the weight of memory that the layer could not use any more.
        epvm_mem: f64 = Some("1"), "CUE_EPVM_MEM", decimal(0.0..=1e6);
        /// With `epvm`: the weight of GPUs that a layer with GPUs could not use any more.
        epvm_gpus: f64 = Some("2"), "CUE_EPVM_GPUS", decimal(0.0..=1e6);
        /// With `epvm`: the weight of GPU memory that a layer with GPUs could not use any more.
        epvm_gpu_mem: f64 = Some("1"), "CUE_EPVM_GPU_MEM", decimal(0.0..=1e6);
        /// With `epvm`: the weight, for a layer without GPUs, of each idle GPU of a host.
        epvm_gpu_count_reservation: f64 = Some("2"), "CUE_EPVM_GPU_COUNT_RESERVATION", decimal(0.0..=1e6);
        /// With `epvm`: the weight, for a layer without GPUs, of each billion bytes of idle GPU memory of a host.
        epvm_gpu_mem_reservation: f64 = Some("2"), "CUE_EPVM_GPU_MEM_RESERVATION", decimal(0.0..=1e6);
        /// Services whose frames want a host to themselves.
        selfish_services: Vec<String> = Some(""), "CUE_SELFISH_SERVICES", list();
        /// A threadable frame that leaves its host this much idle memory or less gets all its idle cores.
        stranded_memory: Kib = Some("1536MiB"), "CUE_STRANDED_MEMORY",
            size(Kib(0)..=Kib::gib(1024));
        /// Time without a report after which nothing is booked on a host.
        host_stale_after: Option<Duration> = Some("2m"), "CUE_HOST_STALE_AFTER",
            duration_or_never(Duration::from_secs(1)..=Duration::from_secs(86_400));
    }
}
