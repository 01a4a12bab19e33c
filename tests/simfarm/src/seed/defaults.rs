//! The demo's farm: 1,200 hosts, three shows and about 6,000 frames.
//!
//! It is of the size the design's yardsticks are measured at. Capacity is a little larger than
//! the work in cores, so that at the end nothing waits for want of hosts.
//!
//! Invariant: the defaults pass their own check.

use super::spec::{
    FarmSpec, FolderShape, HostClass, HostTags, JobShape, LayerShape, Span, SubscriptionShape,
    ThreadMode,
};

impl Default for FarmSpec {
    fn default() -> Self {
        let gpu_hosts = HostClass {
            count: 120,
            cores: 32,
            memory_gib: 128,
            gpus: 2,
            gpu_memory_gib: 48,
            ..HostClass::default()
        };
        let small_hosts = HostClass {
            count: 480,
            cores: 16,
            memory_gib: 64,
            ..HostClass::default()
        };
        Self {
            facility: "sim".to_owned(),
            shows: 3,
            scheduler_managed: true,
            allocations: 2,
            users: 8,
            hosts: vec![HostClass::default(), small_hosts, gpu_hosts],
            host_tags: HostTags::default(),
            subscription: SubscriptionShape::default(),
            folders: FolderShape::default(),
            jobs: JobShape::default(),
            layers: LayerShape::default(),
            limits: Vec::new(),
            analyze: false,
        }
    }
}

impl Default for HostClass {
    fn default() -> Self {
        Self {
            count: 600,
            cores: 32,
            memory_gib: 128,
            gpus: 0,
            gpu_memory_gib: 0,
            os: "rocky9".to_owned(),
            thread_mode: ThreadMode::Auto,
        }
    }
}

impl Default for HostTags {
    fn default() -> Self {
        Self {
            manual: vec!["workstation".to_owned()],
            manual_share: 0.05,
            hardware: vec!["avx512".to_owned()],
            hardware_share: 0.25,
        }
    }
}

impl Default for SubscriptionShape {
    fn default() -> Self {
        Self {
            size: 5_000,
            burst: 20_000,
        }
    }
}

impl Default for FolderShape {
    fn default() -> Self {
        Self {
            per_show: 2,
            max_cores: -1,
            max_gpus: -1,
        }
    }
}

impl Default for JobShape {
    fn default() -> Self {
        Self {
            per_show: Span::exactly(20),
            priority: Span::new(1, 100),
            max_cores: 10_000,
            max_gpus: 100,
            os_share: 0.25,
            env_vars: 3,
        }
    }
}

impl Default for LayerShape {
    fn default() -> Self {
        Self {
            per_job: Span::new(1, 3),
            frames: Span::new(20, 80),
            chunk: 1,
            cores_min: vec![100, 100, 200, 400, 800],
            mem_min_mib: vec![1_024, 2_048, 4_096, 8_192],
            threadable_share: 0.6,
            gpu_share: 0.03,
            gpu_mem_min_mib: 8_192,
            two_tags_share: 0.3,
            special_tag_share: 0.05,
            command: "render --frames #FRAMESPEC# --scene #LAYER#".to_owned(),
        }
    }
}
