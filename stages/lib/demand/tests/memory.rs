//! Memory of the index with a very large farm's rows: resident pages of a process that does nothing else.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use cue_demand::{DemandIndex, DemandStats};
use cue_domain::demand::{DemandRows, WaitingJob, WaitingLayer};
use cue_domain::{Centicores, Kib, Layer, Tag};

const JOBS: usize = 25_000;
const LAYERS: usize = 100_000;
const LAYERS_OF_A_JOB: usize = LAYERS / JOBS;
const PARTS: usize = 100;

/// Resident memory of this process, in bytes. A page has 4 KiB.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

fn job(n: usize) -> WaitingJob {
    WaitingJob {
        id: format!("00000000-0000-0000-0000-{n:012}").into(),
        name: format!("show-shot{n:05}-user_lighting_v{n:03}").into(),
        facility: "facility".into(),
        facility_name: "facility".into(),
        show: format!("show-{}", n % 10).into(),
        show_name: "show".into(),
        folder: "11111111-1111-1111-1111-111111111111".into(),
        os: Some("linux".into()),
        priority: n as i64 % 100,
        ..WaitingJob::default()
    }
}

fn layer(n: usize) -> WaitingLayer {
    WaitingLayer {
        job: format!("00000000-0000-0000-0000-{:012}", n / LAYERS_OF_A_JOB).into(),
        layer: Layer {
            id: format!("22222222-2222-2222-2222-{n:012}").into(),
            name: format!("layer_beauty_{n:04}").into(),
            dispatch_order: n as i64,
            cores_min: Centicores::cores(1 + n as i64 % 16),
            memory_min: Kib(1_000_000 + n as i64 % 2_000),
            threadable: true,
            services: ["arnold".into()].into(),
            tags: [Tag::from("general"), Tag::from("desktop")].into(),
            waiting: 100,
            ..Layer::default()
        },
        ..WaitingLayer::default()
    }
}

#[test]
fn a_hundred_thousand_layers_fit_in_eighty_megabytes() {
    let index = DemandIndex::new(Vec::new());
    let before = resident();
    // In parts, so that little beside the index is ever in memory.
    for part in 0..PARTS {
        let of = |count: usize| (part * count / PARTS)..((part + 1) * count / PARTS);
        let rows = DemandRows {
            jobs: of(JOBS).map(job).collect(),
            layers: of(LAYERS).map(layer).collect(),
            ..DemandRows::default()
        };
        index.apply(index.begin_reading(), rows);
    }
    let bytes = resident() - before;
    println!("{LAYERS} layers: {} MB", bytes / 1_000_000);
    let stats = DemandStats {
        jobs: JOBS,
        layers: LAYERS,
        frames: 10_000_000,
    };
    assert_eq!(index.stats(), stats);
    assert!(bytes < 80_000_000, "{bytes} bytes");
}
