//! Simulated hosts that misbehave.

use cue_simfarm::rqd::{Fault, SimRqdSettings};
use tonic::Code;

use crate::hosts::{code, frame, start};

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
