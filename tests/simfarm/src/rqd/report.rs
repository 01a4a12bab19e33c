//! Reports of simulated hosts on themselves and their frames, in the words of RQD.

use std::time::{SystemTime, UNIX_EPOCH};

use cue_domain::{Centicores, Kib};
use cue_proto::report::{CoreDetail, HostReport, RenderHost, RunningFrameInfo};
use cue_proto::rqd::RunFrame;

use super::settings::{MAX_RSS, SimHost, share};
use super::state::Host;

/// Resources of a host that is not listed in the settings.
const UNLISTED: SimHost = SimHost {
    cores: Centicores::cores(1024),
    memory: Kib::gib(4096),
};

/// The description of a frame that starts now.
pub(super) fn of_frame(frame: &RunFrame, seed: u64) -> RunningFrameInfo {
    // The hard limit is twice what the frame asked for; it uses between a quarter and three.
    let asked = frame.hard_memory_limit / 2;
    let drawn = (asked as f64 * (0.25 + 0.5 * share(!seed, &frame.frame_id))) as i64;
    let of_frame = frame.environment.get(MAX_RSS);
    let rss = of_frame.and_then(|text| text.parse().ok()).unwrap_or(drawn);
    RunningFrameInfo {
        resource_id: frame.resource_id.clone(),
        job_id: frame.job_id.clone(),
        job_name: frame.job_name.clone(),
        frame_id: frame.frame_id.clone(),
        frame_name: frame.frame_name.clone(),
        layer_id: frame.layer_id.clone(),
        num_cores: frame.num_cores,
        num_gpus: frame.num_gpus,
        start_time: now_ms(),
        llu_time: now_ms() / 1000,
        rss,
        max_rss: rss,
        vsize: rss,
        max_vsize: rss,
        ..RunningFrameInfo::default()
    }
}

/// The report of a host.
pub(super) fn of_host(host: &Host) -> HostReport {
    let has = host.has.unwrap_or(UNLISTED);
    let used: i64 = host.frames.values().map(|running| running.info.rss).sum();
    let cores = |n: i64| i32::try_from(n.max(0)).unwrap_or(i32::MAX);
    HostReport {
        host: Some(RenderHost {
            name: host.name.to_string(),
            num_procs: 1,
            cores_per_proc: cores(has.cores.0),
            total_mem: has.memory.0,
            free_mem: has.memory.0.saturating_sub(used).max(0),
            load: cores(host.cores_in_use),
            ..RenderHost::default()
        }),
        frames: host
            .frames
            .values()
            .map(|running| running.info.clone())
            .collect(),
        core_info: Some(CoreDetail {
            total_cores: cores(has.cores.0),
            idle_cores: cores(has.cores.0.saturating_sub(host.cores_in_use)),
            booked_cores: cores(host.cores_in_use),
            ..CoreDetail::default()
        }),
    }
}

/// The name of the host that made a report.
pub(super) fn name(report: &HostReport) -> &str {
    report.host.as_ref().map_or("", |host| &host.name)
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
