//! Simulated RQDs, seen from their clients.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod ends;
mod faults;
mod hosts;

use std::collections::HashMap;

use cue_domain::{Centicores, Kib};
use cue_proto::rqd::run_frame::UidOptional;
use cue_proto::rqd::running_frame_client::RunningFrameClient;
use cue_proto::rqd::{
    RqdStaticLaunchFrameRequest, RqdStaticLockAllRequest, RqdStaticReportStatusRequest, RunFrame,
    RunningFrameKillRequest, RunningFrameStatusRequest,
};
use cue_simfarm::rqd::{SimHost, SimRqdSettings};
use tonic::Code;

use hosts::{code, frame, start, to};

#[tokio::test]
async fn launches_pass_the_checks_of_a_host() {
    let known = SimHost {
        cores: Centicores::cores(2),
        memory: Kib::gib(8),
    };
    let (farm, hosts) = start(SimRqdSettings {
        hosts: HashMap::from([("small".to_owned(), known)]),
        ..SimRqdSettings::default()
    });
    for num_cores in [0, -100, 150] {
        let frame = RunFrame {
            num_cores,
            ..frame("odd")
        };
        assert_eq!(
            code(hosts.launch("small", frame).await),
            Code::InvalidArgument,
            "{num_cores}"
        );
    }
    let root = RunFrame {
        uid_optional: Some(UidOptional::Uid(0)),
        ..frame("root")
    };
    assert_eq!(
        code(hosts.launch("small", root).await),
        Code::InvalidArgument
    );

    hosts.launch("small", frame("1")).await.unwrap();
    assert_eq!(
        code(hosts.launch("small", frame("1")).await),
        Code::InvalidArgument
    );
    assert_eq!((farm.relaunches_refused(), farm.double_launches()), (1, 0));
    hosts.launch("small", frame("2")).await.unwrap();
    assert_eq!(code(hosts.launch("small", frame("3")).await), Code::Aborted);
    assert_eq!(farm.cores_in_use("small"), Centicores::cores(2));
    let wide = RunFrame {
        num_cores: 100_000,
        ..frame("wide")
    };
    hosts.launch("unlisted", wide).await.unwrap();
    assert_eq!(
        (
            farm.launch_count(),
            farm.running_count(),
            farm.counts().asked
        ),
        (3, 3, 9)
    );
}

#[tokio::test]
async fn a_frame_that_runs_twice_is_counted() {
    let (farm, hosts) = start(SimRqdSettings::default());
    hosts.launch("a", frame("f")).await.unwrap();
    assert_eq!(farm.double_launches(), 0);
    hosts.launch("b", frame("f")).await.unwrap();
    assert_eq!(farm.double_launches(), 1);
    assert_eq!(farm.hosts_running("f"), ["a", "b"]);
    hosts.kill("a", "f", "test").await.unwrap();
    hosts.kill("b", "f", "test").await.unwrap();
    hosts.launch("b", frame("f")).await.unwrap();
    assert_eq!(
        farm.double_launches(),
        1,
        "one after the other is no double"
    );
}

#[tokio::test]
async fn kills_and_questions_answer_as_a_host_does() {
    let (mut farm, hosts) = start(SimRqdSettings::default());
    let mut completions = farm.completions().unwrap();
    hosts.launch("a", frame("f")).await.unwrap();
    assert_eq!(hosts.proc("a", "f").await.unwrap(), "proc-of-f");
    assert_eq!(
        hosts.proc("b", "f").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        code(hosts.kill("a", "f", "").await),
        Code::FailedPrecondition
    );
    assert_eq!(code(hosts.kill("b", "f", "test").await), Code::NotFound);
    hosts.kill("a", "f", "test").await.unwrap();
    assert_eq!(
        hosts.proc("a", "f").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(code(hosts.kill("a", "f", "test").await), Code::NotFound);
    let end = completions.recv().await.unwrap();
    assert_eq!((end.exit_status, end.exit_signal), (1, 9));
    assert_eq!((farm.counts().killed, farm.counts().ended), (1, 1));
}

#[tokio::test]
async fn a_frame_can_be_asked_for_and_killed_through_its_own_service() {
    let (farm, hosts) = start(SimRqdSettings::default());
    hosts.launch("a", frame("f")).await.unwrap();
    let mut service = RunningFrameClient::new(hosts.0.clone());
    let run_frame = Some(frame("f"));
    let status = to(
        "a",
        RunningFrameStatusRequest {
            run_frame: run_frame.clone(),
        },
    );
    let info = service
        .status(status)
        .await
        .unwrap()
        .into_inner()
        .running_frame_info
        .unwrap();
    assert_eq!(info.resource_id, "proc-of-f");
    let kill = to(
        "a",
        RunningFrameKillRequest {
            run_frame,
            message: "test".to_owned(),
        },
    );
    service.kill(kill).await.unwrap();
    assert_eq!(farm.running_count(), 0);
}

#[tokio::test]
async fn a_call_without_a_host_means_the_default_one_and_locks_are_unknown() {
    let (farm, hosts) = start(SimRqdSettings::default());
    let request = RqdStaticLaunchFrameRequest {
        run_frame: Some(frame("f")),
    };
    hosts.rqd().launch_frame(request).await.unwrap();
    assert_eq!(farm.hosts_running("f"), ["default"]);
    let lock = hosts.rqd().lock_all(RqdStaticLockAllRequest {}).await;
    assert_eq!(lock.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn hosts_report_what_they_have_and_run() {
    let known = SimHost {
        cores: Centicores::cores(4),
        memory: Kib::gib(8),
    };
    let (farm, hosts) = start(SimRqdSettings {
        hosts: HashMap::from([("b".to_owned(), known)]),
        ..SimRqdSettings::default()
    });
    hosts.launch("b", frame("f")).await.unwrap();
    hosts.launch("a", frame("g")).await.unwrap();
    let reports = farm.reports();
    let names: Vec<_> = reports
        .iter()
        .map(|r| r.host.as_ref().unwrap().name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);

    let request = to("b", RqdStaticReportStatusRequest {});
    let report = hosts
        .rqd()
        .report_status(request)
        .await
        .unwrap()
        .into_inner()
        .host_report
        .unwrap();
    assert_eq!(report, reports[1]);
    let (host, cores) = (report.host.unwrap(), report.core_info.unwrap());
    assert_eq!(
        (host.num_procs, host.cores_per_proc, host.total_mem),
        (1, 400, 8_388_608)
    );
    assert_eq!(host.free_mem, 8_388_608 - report.frames[0].rss);
    assert_eq!(
        (cores.total_cores, cores.idle_cores, cores.booked_cores),
        (400, 300, 100)
    );
    assert_eq!(report.frames[0].resource_id, "proc-of-f");
}
