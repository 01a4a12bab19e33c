//! How hosts are picked, and how the picture of them is kept fresh.
//!
//! Invariant: nothing here can over-book a host. The transaction that books checks the host again;
//! these settings only say which host is tried first and how old a picture may be.

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_domain::Kib;

use super::rules::{choice, count, duration, duration_or_never, flag, list, size, weight};
use super::topic::topic;

/// How the best of several hosts is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Fill hosts that already run frames before empty ones are opened.
    Saturation,
    /// The host that the frame wastes least of.
    Epvm,
}

topic! {
    /// How hosts are picked.
    Matching in "matching" {
        /// How the best of several hosts is found.
        strategy: Strategy = Some("saturation"), "CUE_STRATEGY",
            choice(&[("saturation", Strategy::Saturation), ("epvm", Strategy::Epvm)]);
        /// Whether hosts with few idle cores are filled first.
        core_saturation: bool = Some("true"), "CUE_CORE_SATURATION", flag();
        /// Whether hosts with little idle memory are filled first.
        memory_saturation: bool = Some("false"), "CUE_MEMORY_SATURATION", flag();
        /// With `epvm`: how many hosts that fit are compared for a frame at most.
        epvm_max_candidates: NonZeroUsize = Some("500"), "CUE_EPVM_MAX_CANDIDATES", count(100_000);
        /// With `epvm`: the weight of cores that the layer could not use any more.
        epvm_cores: f64 = Some("1"), "CUE_EPVM_CORES", weight();
        /// With `epvm`: the weight of memory that the layer could not use any more.
        epvm_mem: f64 = Some("1"), "CUE_EPVM_MEM", weight();
        /// With `epvm`: the weight of GPUs that a layer with GPUs could not use any more.
        epvm_gpus: f64 = Some("2"), "CUE_EPVM_GPUS", weight();
        /// With `epvm`: the weight of GPU memory that a layer with GPUs could not use any more.
        epvm_gpu_mem: f64 = Some("1"), "CUE_EPVM_GPU_MEM", weight();
        /// With `epvm`: what a layer without GPUs pays for each idle GPU of a host.
        epvm_gpu_count_reservation: f64 = Some("2"), "CUE_EPVM_GPU_COUNT_RESERVATION", weight();
        /// With `epvm`: what a layer without GPUs pays for each billion bytes of idle GPU memory of a host.
        epvm_gpu_mem_reservation: f64 = Some("2"), "CUE_EPVM_GPU_MEM_RESERVATION", weight();
        /// Services whose frames want a host to themselves.
        selfish_services: Vec<String> = Some(""), "CUE_SELFISH_SERVICES", list();
        /// A threadable frame that leaves its host this much idle memory or less gets all its idle cores.
        stranded_memory: Kib = Some("1536MiB"), "CUE_STRANDED_MEMORY",
            size(Kib(0)..=Kib::gib(1024));
        /// How often hosts that changed are read from the database.
        host_refresh: Duration = Some("500ms"), "CUE_HOST_REFRESH",
            duration(Duration::from_millis(10)..=Duration::from_secs(60));
        /// How long a host may be silent before nothing is booked on it.
        host_stale_after: Option<Duration> = Some("2m"), "CUE_HOST_STALE_AFTER",
            duration_or_never(Duration::from_secs(1)..=Duration::from_secs(86_400));
        /// How long resources of a host may be held for a batch before they count as idle again.
        lease_timeout: Duration = Some("5m"), "CUE_LEASE_TIMEOUT",
            duration(Duration::from_secs(1)..=Duration::from_secs(3600));
    }
}
