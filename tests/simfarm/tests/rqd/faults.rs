//! Simulated hosts that misbehave.

use std::collections::HashMap;

use cue_domain::{Centicores, Kib};
use cue_proto::rqd::{RqdStaticReportStatusRequest, RqdStaticReportStatusResponse};
use cue_simfarm::rqd::{Fault, Program, SimHost, SimRqdSettings};
use tonic::{Code, Status};

use crate::hosts::{Hosts, code, frame, start, to};

#[tokio::test]
async fn a_host_that_refuses_launches_nothing() {
    let (farm, hosts) = start(SimRqdSettings::default());
    farm.set_fault("a", Fault::RefuseForNow);
    assert_eq!(code(hosts.launch("a", frame("f")).await), Code::Aborted);
    farm.set_fault("a", Fault::RefuseForGood);
    assert_eq!(
        code(hosts.launch("a", frame("f")).await),
        Code::InvalidArgument
    );
    hosts.launch("b", frame("f")).await.unwrap();
    farm.set_fault_all(Fault::Vanish);
    assert_eq!(code(hosts.launch("a", frame("g")).await), Code::Unavailable);
    assert_eq!(
        hosts.proc("b", "f").await.unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(
        code(hosts.launch("new", frame("g")).await),
        Code::Unavailable
    );
    farm.set_fault_all(Fault::None);
    hosts.launch("a", frame("g")).await.unwrap();
    assert_eq!((farm.launch_count(), farm.counts().asked), (2, 6));
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_launch() {
    let (farm, hosts) = start(SimRqdSettings::default());
    farm.set_fault("a", Fault::DropReplyAfterLaunch);
    assert_eq!(code(hosts.launch("a", frame("f")).await), Code::Unavailable);
    assert_eq!(hosts.proc("a", "f").await.unwrap(), "proc-of-f");

    farm.set_fault("a", Fault::StallAfterLaunch);
    tokio::select! {
        _ = hosts.launch("a", frame("g")) => panic!("a host that stalls does not answer"),
        () = farm.launched(2) => {}
    }
    assert_eq!(hosts.proc("a", "g").await.unwrap(), "proc-of-g");
}

#[tokio::test]
async fn a_host_that_stalls_does_nothing_and_does_not_hold_up_the_farm() {
    let (farm, hosts) = start(SimRqdSettings::default());
    farm.set_fault("a", Fault::Stall);
    let stalled = hosts.launch("a", frame("f"));
    tokio::pin!(stalled);
    tokio::select! {
        _ = &mut stalled => panic!("a host that stalls does not answer"),
        () = farm.asked(1) => {}
    }
    hosts.launch("b", frame("g")).await.unwrap();
    assert_eq!(farm.launch_count(), 1);
    farm.shutdown().await;
    assert_eq!(
        code(stalled.await),
        Code::Unavailable,
        "stopping the farm ends the wait"
    );
}

fn cores(cores: i64) -> SimHost {
    SimHost {
        cores: Centicores::cores(cores),
        memory: Kib::gib(8),
    }
}

/// Frames that the host lists and centicores that it has booked.
async fn report(hosts: &Hosts, host: &str) -> (Vec<String>, i32) {
    let message = RqdStaticReportStatusRequest {};
    let answer = hosts.rqd().report_status(to(host, message)).await.unwrap();
    let RqdStaticReportStatusResponse { host_report } = answer.into_inner();
    let report = host_report.unwrap();
    let frames = report.frames.into_iter().map(|info| info.frame_id);
    (frames.collect(), report.core_info.unwrap().booked_cores)
}

#[tokio::test]
async fn the_python_rqd_refuses_and_answers_in_its_own_words() {
    let (farm, hosts) = start(SimRqdSettings {
        hosts: HashMap::from([("py".to_owned(), cores(1))]),
        program: Program::Python,
        ..SimRqdSettings::default()
    });
    hosts.launch("py", frame("f")).await.unwrap();
    for (id, text) in [
        ("f", "frame is already running on this proc f"),
        ("g", "insufficient idle cores"),
    ] {
        let refused = hosts.launch("py", frame(id)).await.unwrap_err();
        let text = format!("Exception calling application: Not launching, {text}");
        assert_eq!((refused.code(), refused.message()), (Code::Unknown, &*text));
    }
    // Neither a frame that runs nor one that does not is answered for.
    for id in ["f", "g"] {
        let answer = hosts.proc("py", id).await.unwrap_err();
        let text = "Exception calling application: frameId";
        assert_eq!((answer.code(), answer.message()), (Code::Unknown, text));
    }
    assert_eq!(report(&hosts, "py").await, (vec!["f".to_owned()], 100));
    // It takes a kill without a reason, which the Rust RQD does not.
    assert_eq!(code(hosts.kill("py", "g", "").await), Code::NotFound);
    hosts.kill("py", "f", "").await.unwrap();
    assert_eq!(farm.running_count(), 0);
}

#[tokio::test]
async fn a_host_that_lists_nothing_has_booked_its_cores_all_the_same() {
    let (farm, hosts) = start(SimRqdSettings {
        program: Program::Python,
        ..SimRqdSettings::default()
    });
    farm.set_fault("py", Fault::Unlisted);
    hosts.launch("py", frame("f")).await.unwrap();
    assert_eq!(report(&hosts, "py").await, (vec![], 100));
    farm.set_fault("py", Fault::None);
    assert_eq!(report(&hosts, "py").await, (vec!["f".to_owned()], 100));
}

#[tokio::test]
async fn a_host_and_a_layer_can_be_refused_more_than_their_rows_promise() {
    let (farm, hosts) = start(SimRqdSettings::default());
    hosts.launch("a", frame("1")).await.unwrap();
    farm.set_host("a", Some(cores(1)));
    assert_eq!(code(hosts.launch("a", frame("2")).await), Code::Aborted);
    farm.set_host("a", None);
    hosts.launch("a", frame("2")).await.unwrap();

    let layer_id = frame("3").layer_id;
    farm.refuse_layer(&layer_id, Some(Status::resource_exhausted("poison")));
    for host in ["a", "b"] {
        let refused = hosts.launch(host, frame("3")).await;
        assert_eq!(code(refused), Code::ResourceExhausted, "{host}");
    }
    farm.refuse_layer(&layer_id, None);
    hosts.launch("b", frame("3")).await.unwrap();
}
