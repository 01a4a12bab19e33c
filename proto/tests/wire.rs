//! The numbers on the wire.
//!
//! Each test encodes a message in which only the named fields are set and reads the field numbers
//! back from the bytes, without the generated decoder: a number that drifts breaks every host.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use cue_proto::{host, report, rqd};
use prost::Message;

/// Field numbers of an encoded message, in the order in which they appear.
fn numbers(message: &impl Message) -> Vec<u32> {
    let bytes = message.encode_to_vec();
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (number, wire_type) = prost::encoding::decode_key(&mut rest).unwrap();
        prost::encoding::skip_field(
            wire_type,
            number,
            &mut rest,
            prost::encoding::DecodeContext::default(),
        )
        .unwrap();
        found.push(number);
    }
    found
}

fn text() -> String {
    "x".to_owned()
}

fn pair() -> std::collections::HashMap<String, String> {
    [(text(), text())].into()
}

#[test]
#[expect(
    deprecated,
    reason = "every field is on the wire, also those nobody fills"
)]
fn a_frame_to_launch_has_the_numbers_1_to_30() {
    let frame = rqd::RunFrame {
        resource_id: text(),
        job_id: text(),
        job_name: text(),
        frame_id: text(),
        frame_name: text(),
        layer_id: text(),
        command: text(),
        user_name: text(),
        log_dir: text(),
        show: text(),
        shot: text(),
        job_temp_dir: text(),
        frame_temp_dir: text(),
        log_file: text(),
        log_dir_file: text(),
        start_time: 1,
        num_cores: 100,
        gid: 1,
        ignore_nimby: true,
        environment: pair(),
        attributes: pair(),
        num_gpus: 1,
        children: Some(report::ChildrenProcStats::default()),
        os: text(),
        soft_memory_limit: 1,
        hard_memory_limit: 1,
        pid: 1,
        loki_url: text(),
        stuck_detection_llu: 1,
        uid_optional: Some(rqd::run_frame::UidOptional::Uid(1)),
    };
    assert_eq!(numbers(&frame), (1..=30).collect::<Vec<_>>());
}

#[test]
fn single_fields_have_their_own_numbers() {
    let uid = rqd::RunFrame {
        uid_optional: Some(rqd::run_frame::UidOptional::Uid(0)),
        ..Default::default()
    };
    assert_eq!(numbers(&uid), [17], "a user id of 0 is set, not absent");
    let loki = rqd::RunFrame {
        loki_url: text(),
        ..Default::default()
    };
    assert_eq!(numbers(&loki), [29]);
    let cores = rqd::RunFrame {
        num_cores: 100,
        os: text(),
        ..Default::default()
    };
    assert_eq!(numbers(&cores), [18, 25]);
    let children = report::ChildrenProcStats {
        children: vec![report::ProcStats::default()],
    };
    assert_eq!(numbers(&children), [2]);
}

#[test]
fn a_running_frame_has_the_numbers_1_to_21() {
    let info = report::RunningFrameInfo {
        resource_id: text(),
        job_id: text(),
        job_name: text(),
        frame_id: text(),
        frame_name: text(),
        layer_id: text(),
        num_cores: 1,
        start_time: 1,
        max_rss: 1,
        rss: 1,
        max_vsize: 1,
        vsize: 1,
        attributes: pair(),
        llu_time: 1,
        num_gpus: 1,
        max_used_gpu_memory: 1,
        used_gpu_memory: 1,
        children: Some(report::ChildrenProcStats::default()),
        used_swap_memory: 1,
        max_pss: 1,
        pss: 1,
    };
    assert_eq!(numbers(&info), (1..=21).collect::<Vec<_>>());
}

#[test]
fn a_host_has_the_numbers_1_to_20() {
    let host = report::RenderHost {
        name: text(),
        nimby_enabled: true,
        nimby_locked: true,
        facility: text(),
        num_procs: 1,
        cores_per_proc: 1,
        total_swap: 1,
        total_mem: 1,
        total_mcp: 1,
        free_swap: 1,
        free_mem: 1,
        free_mcp: 1,
        load: 1,
        boot_time: 1,
        tags: vec![text()],
        state: host::HardwareState::Repair.into(),
        attributes: pair(),
        num_gpus: 1,
        free_gpu_mem: 1,
        total_gpu_mem: 1,
    };
    assert_eq!(numbers(&host), (1..=20).collect::<Vec<_>>());
}

#[test]
fn reports_number_their_parts() {
    let boot = report::BootReport {
        host: Some(Default::default()),
        core_info: Some(Default::default()),
    };
    assert_eq!(numbers(&boot), [1, 2]);
    let status = report::HostReport {
        host: Some(Default::default()),
        frames: vec![Default::default()],
        core_info: Some(Default::default()),
    };
    assert_eq!(numbers(&status), [1, 2, 3]);
    let complete = report::FrameCompleteReport {
        host: Some(Default::default()),
        frame: Some(Default::default()),
        exit_status: 1,
        exit_signal: 1,
        run_time: 1,
    };
    assert_eq!(numbers(&complete), [1, 2, 3, 4, 5]);
    let cores = report::CoreDetail {
        total_cores: 1,
        idle_cores: 1,
        locked_cores: 1,
        booked_cores: 1,
        reserved_cores: [(1, report::CoreId { coreid: vec![1] })].into(),
    };
    assert_eq!(numbers(&cores), [1, 2, 3, 4, 5]);
}

#[test]
fn processes_number_their_parts() {
    let stat = report::Stat {
        rss: 1,
        vsize: 1,
        state: text(),
        name: text(),
        pid: text(),
        pss: 1,
    };
    assert_eq!(numbers(&stat), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(&report::Statm { rss: 1, size: 1 }), [1, 2]);
    assert_eq!(numbers(&report::Status { vrss: 1, vsize: 1 }), [1, 2]);
    let process = report::ProcStats {
        stat: Some(stat),
        statm: Some(Default::default()),
        status: Some(Default::default()),
        cmdline: text(),
        start_time: text(),
    };
    assert_eq!(numbers(&process), [1, 2, 3, 4, 5]);
}

#[test]
fn requests_number_their_parts() {
    let frame = Some(rqd::RunFrame::default());
    assert_eq!(
        numbers(&rqd::RqdStaticLaunchFrameRequest {
            run_frame: frame.clone()
        }),
        [1]
    );
    assert_eq!(
        numbers(&rqd::RqdStaticKillRunningFrameRequest {
            frame_id: text(),
            message: text()
        }),
        [1, 2]
    );
    assert_eq!(
        numbers(&rqd::RqdStaticGetRunningFrameStatusRequest { frame_id: text() }),
        [1]
    );
    assert_eq!(
        numbers(&rqd::RunningFrameKillRequest {
            run_frame: frame,
            message: text()
        }),
        [1, 2]
    );
    let info = Some(report::RunningFrameInfo::default());
    assert_eq!(
        numbers(&rqd::RqdStaticGetRunningFrameStatusResponse {
            running_frame_info: info
        }),
        [1]
    );
    let report = Some(report::HostReport::default());
    assert_eq!(
        numbers(&rqd::RqdStaticReportStatusResponse {
            host_report: report
        }),
        [1]
    );
}

#[test]
fn services_have_the_names_that_hosts_listen_on() {
    use tonic::server::NamedService;
    assert_eq!(
        rqd::rqd_interface_server::RqdInterfaceServer::<()>::NAME,
        "rqd.RqdInterface"
    );
    assert_eq!(
        rqd::running_frame_server::RunningFrameServer::<()>::NAME,
        "rqd.RunningFrame"
    );
    assert_eq!(
        report::rqd_report_interface_server::RqdReportInterfaceServer::<()>::NAME,
        "report.RqdReportInterface"
    );
}

#[test]
fn states_have_their_numbers() {
    use host::{HardwareState, HostTagType, LockState, ThreadMode};
    assert_eq!(
        [
            HardwareState::Up,
            HardwareState::Down,
            HardwareState::Rebooting,
            HardwareState::RebootWhenIdle,
            HardwareState::Repair
        ]
        .map(i32::from),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(
        [LockState::Open, LockState::Locked, LockState::NimbyLocked].map(i32::from),
        [0, 1, 2]
    );
    assert_eq!(
        [ThreadMode::Auto, ThreadMode::All, ThreadMode::Variable].map(i32::from),
        [0, 1, 2]
    );
    assert_eq!(
        [
            HostTagType::Manual,
            HostTagType::Hardware,
            HostTagType::Alloc,
            HostTagType::Hostname
        ]
        .map(i32::from),
        [0, 1, 2, 3]
    );
    assert_eq!(
        [rqd::ErrorCode::Success, rqd::ErrorCode::Unknown].map(i32::from),
        [0, 1]
    );
}
