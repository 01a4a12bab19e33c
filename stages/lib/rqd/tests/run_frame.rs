//! The message that launches a frame, field by field.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use cue_domain::{
    Booking, BookingHost, BookingLayer, Centicores, Kib, LaunchLayer, Resources, WaitingFrame,
};
use cue_proto::rqd::RunFrame;
use cue_proto::rqd::run_frame::UidOptional;
use cue_rqd::{BuildError, run_frame};

fn layer() -> LaunchLayer {
    LaunchLayer {
        job_id: "JOB-ID".into(),
        job_name: "show-shot-user_comp".to_owned(),
        show_name: "show".to_owned(),
        shot: "shot".to_owned(),
        user: "user".to_owned(),
        log_dir: "/logs".to_owned(),
        uid: None,
        os: None,
        loki_url: None,
        stuck_detection_llu: 0,
        layer_id: "LAYER-ID".into(),
        layer_name: "comp".to_owned(),
        command: "render -s #FRAME_START# -e #FRAME_END# -f #FRAMESPEC# out.#ZFRAME#.exr"
            .to_owned(),
        range: "1-10".into(),
        chunk_size: 3,
        threadable: true,
        memory_min: Kib::gib(4),
        env: Vec::new(),
    }
}

fn booking_of(name: &str) -> Booking {
    let frame = WaitingFrame {
        id: "FRAME-ID".into(),
        name: name.into(),
        version: 1,
        waiting_since_ms: None,
    };
    let layer = BookingLayer {
        id: "LAYER-ID".into(),
        name: "comp".into(),
        job: "JOB-ID".into(),
        job_name: "show-shot-user_comp".into(),
        show: "SHOW-ID".into(),
        folder: "FOLDER-ID".into(),
        dept: "DEPT-ID".into(),
    };
    let host = BookingHost {
        id: "HOST-ID".into(),
        name: "render01".into(),
        alloc: "ALLOC-ID".into(),
        os: Some("rhel9,rhel8".into()),
    };
    Booking {
        proc: "PROC-ID".into(),
        frame,
        layer: Arc::new(layer),
        host: Arc::new(host),
        reserved: Resources {
            cores: Centicores::cores(2),
            memory: Kib::gib(5),
            gpus: 1,
            gpu_memory: Kib::gib(6),
        },
    }
}

fn built(layer: LaunchLayer, name: &str) -> RunFrame {
    run_frame(&booking_of(name), &layer, 1_700_000_000_123, None).unwrap()
}

fn command(command: &str, range: &str, chunk_size: i64, name: &str) -> String {
    let layer = LaunchLayer {
        command: command.to_owned(),
        range: range.into(),
        chunk_size,
        ..layer()
    };
    built(layer, name).command
}

#[test]
fn every_field_comes_from_its_row() {
    let layer = LaunchLayer {
        uid: Some(1000),
        loki_url: Some("http://loki".to_owned()),
        stuck_detection_llu: 45,
        ..layer()
    };
    let mut sent = built(layer, "0004-comp");
    sent.environment.clear();
    let expected = RunFrame {
        resource_id: "PROC-ID".to_owned(),
        job_id: "JOB-ID".to_owned(),
        job_name: "show-shot-user_comp".to_owned(),
        frame_id: "FRAME-ID".to_owned(),
        frame_name: "0004-comp".to_owned(),
        layer_id: "LAYER-ID".to_owned(),
        command: "render -s 4 -e 6 -f 4-6 out.0004.exr".to_owned(),
        user_name: "user".to_owned(),
        log_dir: "/logs".to_owned(),
        show: "show".to_owned(),
        shot: "shot".to_owned(),
        start_time: 1_700_000_000_123,
        uid_optional: Some(UidOptional::Uid(1000)),
        num_cores: 200,
        num_gpus: 1,
        os: "rhel9,rhel8".to_owned(),
        soft_memory_limit: 6_710_886,
        hard_memory_limit: 8_388_608,
        loki_url: "http://loki".to_owned(),
        stuck_detection_llu: 45,
        ..RunFrame::default()
    };
    assert_eq!(sent, expected);
}

#[test]
fn the_environment_is_told_what_every_frame_is_told() {
    let layer = LaunchLayer {
        env: vec![
            ("A".to_owned(), "of the job".to_owned()),
            ("A".to_owned(), "of the layer".to_owned()),
            ("CUE_JOB".to_owned(), "a lie".to_owned()),
        ],
        ..layer()
    };
    let booking = booking_of("0004-comp");
    let sent = run_frame(&booking, &layer, 0, Some("00-aa-bb-01"))
        .unwrap()
        .environment;
    let mut sent: Vec<(&str, &str)> = sent.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    sent.sort_unstable();
    let expected = [
        ("A", "of the layer"),
        ("CUE3", "1"),
        ("CUE_CHUNK", "3"),
        ("CUE_FRAME", "0004-comp"),
        ("CUE_FRAME_ID", "FRAME-ID"),
        ("CUE_GPUS", "1"),
        ("CUE_GPU_MEMORY", "6291456"),
        ("CUE_IFRAME", "4"),
        ("CUE_JOB", "show-shot-user_comp"),
        ("CUE_JOB_ID", "JOB-ID"),
        ("CUE_LAYER", "comp"),
        ("CUE_LAYER_ID", "LAYER-ID"),
        ("CUE_LOG_PATH", "/logs"),
        ("CUE_MEMORY", "5242880"),
        ("CUE_RANGE", "1-10"),
        ("CUE_SHOT", "shot"),
        ("CUE_SHOW", "show"),
        ("CUE_THREADABLE", "1"),
        ("CUE_THREADS", "2"),
        ("CUE_USER", "user"),
        ("TRACEPARENT", "00-aa-bb-01"),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn tokens_follow_the_chunk() {
    let all = "#FRAME_START# #FRAME_END# #FRAME_CHUNK# #FRAMESPEC# #IFRAME#";
    assert_eq!(command(all, "1-10", 3, "0010-comp"), "10 10 3 10 10");
    assert_eq!(command(all, "1-10x2", 3, "0003-comp"), "3 7 3 3-7x2 3");
    assert_eq!(command(all, "1-10x3", 2, "0004-comp"), "4 7 2 4,7 4");
    assert_eq!(command(all, "1-10:5", 3, "0006-comp"), "6 5 3 6,3,5 6");
    assert_eq!(command(all, "10-1x-2", 3, "0008-comp"), "8 4 3 8-4x-2 8");
    assert_eq!(command("#ZFRAME#", "12345", 1, "12345-comp"), "12345");
}

#[test]
fn tokens_are_replaced_everywhere_and_in_order() {
    assert_eq!(
        command("#LAYER# #JOB# #FRAME# #LAYER#", "4", 1, "0004-comp"),
        { "comp show-shot-user_comp 0004-comp comp" }
    );
    let layer = LaunchLayer {
        layer_name: "#JOB# #ZFRAME#".to_owned(),
        command: "#LAYER#".to_owned(),
        ..layer()
    };
    let later_only = "show-shot-user_comp #ZFRAME#";
    assert_eq!(
        built(layer, "0004-comp").command,
        later_only,
        "#JOB# comes after, #ZFRAME# before"
    );
    let plain = LaunchLayer {
        job_name: r"$1\0".to_owned(),
        command: "#JOB#".to_owned(),
        ..self::layer()
    };
    assert_eq!(built(plain, "0004-comp").command, r"$1\0");
}

#[test]
fn the_os_is_the_jobs_else_the_hosts_else_empty() {
    let job = LaunchLayer {
        os: Some("rhel7".to_owned()),
        ..layer()
    };
    assert_eq!(built(job, "0001-comp").os, "rhel7");
    let empty = LaunchLayer {
        os: Some(String::new()),
        ..layer()
    };
    assert_eq!(built(empty.clone(), "0001-comp").os, "rhel9,rhel8");
    let mut nobody = booking_of("0001-comp");
    Arc::make_mut(&mut nobody.host).os = None;
    assert_eq!(run_frame(&nobody, &empty, 0, None).unwrap().os, "");
}

#[test]
fn an_unset_user_id_stays_unset_and_limits_never_overflow() {
    let sent = built(
        LaunchLayer {
            memory_min: Kib(i64::MAX),
            ..layer()
        },
        "0001-comp",
    );
    assert_eq!(sent.uid_optional, None);
    assert_eq!(
        (sent.soft_memory_limit, sent.hard_memory_limit),
        (i64::MAX, i64::MAX)
    );
    assert!(!sent.environment.contains_key("TRACEPARENT"));
}

#[test]
fn a_frame_that_no_host_could_run_is_refused_by_its_fault() {
    let fault =
        |layer: LaunchLayer, name: &str| run_frame(&booking_of(name), &layer, 0, None).unwrap_err();
    let uid = LaunchLayer {
        uid: Some(1 << 31),
        ..layer()
    };
    assert!(
        matches!(fault(uid, "0001-comp"), BuildError::TooLarge { field: "uid", value } if value == 1 << 31)
    );
    for chunk_size in [0, -1] {
        let layer = LaunchLayer {
            chunk_size,
            ..layer()
        };
        assert!(matches!(
            fault(layer, "0001-comp"),
            BuildError::ChunkSize { .. }
        ));
    }
    assert!(matches!(
        fault(layer(), "0011-comp"),
        BuildError::Range { number: 11, .. }
    ));
    let range = LaunchLayer {
        range: "abc".into(),
        ..layer()
    };
    assert!(matches!(
        fault(range, "0001-comp"),
        BuildError::Range { .. }
    ));
    assert!(matches!(
        fault(layer(), "comp"),
        BuildError::FrameName { .. }
    ));
    for centicores in [0, -100, 150] {
        let mut booking = booking_of("0001-comp");
        booking.reserved.cores = Centicores(centicores);
        let fault = run_frame(&booking, &layer(), 0, None).unwrap_err();
        assert!(matches!(fault, BuildError::Cores { centicores: c } if c == centicores));
    }
    let mut gpus = booking_of("0001-comp");
    gpus.reserved.gpus = i64::MAX;
    assert!(matches!(
        run_frame(&gpus, &layer(), 0, None),
        Err(BuildError::TooLarge {
            field: "num_gpus",
            ..
        })
    ));
}
