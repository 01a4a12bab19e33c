//! Layers: a command template and a demand for resources.

use std::sync::Arc;

use crate::ids::LayerId;
use crate::tags::Tag;
use crate::units::{Centicores, Kib};

/// A layer with waiting frames, and what each of its frames asks for (OPENCUE.md, Tables).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// `layer.pk_layer`.
    pub id: LayerId,
    /// `layer.str_name`.
    pub name: Arc<str>,
    /// `layer.int_dispatch_order`, lower first.
    pub dispatch_order: i64,
    /// `layer.int_cores_min`: positive is that many, 0 is all cores of the host, negative is all
    /// but that many.
    pub cores_min: Centicores,
    /// `layer.int_cores_max`: bound of a threaded layer's growth; `None` when 0 or less.
    pub cores_max: Option<Centicores>,
    /// `layer.int_mem_min`, KiB a frame.
    pub memory_min: Kib,
    /// `layer.int_gpus_min`, whole GPUs a frame.
    pub gpus_min: i64,
    /// `layer.int_gpu_mem_min`, KiB a frame.
    pub gpu_memory_min: Kib,
    /// `layer.b_threadable`.
    pub threadable: bool,
    /// The services of `layer.str_services`.
    pub services: Arc<[Arc<str>]>,
    /// The alternatives of `layer.str_tags`.
    pub tags: Arc<[Tag]>,
    /// `layer_stat.int_waiting_count` as last read.
    pub waiting: i64,
}
