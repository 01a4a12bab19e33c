//! Launches that fail, and their later outcome, are recorded in the trace of the launch.

use cue_simfarm::rqd::{Fault, SimRqdSettings};
use cue_simfarm::waiting::until;

use crate::collector::Collector;
use crate::tree::Trace;
use crate::yard::Yard;

/// Farm with one host that does this to launches, and a job with these frames.
async fn yard(frames: i64, fault: Fault) -> (Collector, Yard) {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.rqd.set_fault_all(fault);
    yard.farm.frames("unlucky", frames, |_| ()).await.unwrap();
    (collector, yard)
}

/// Returns true if a launch in the trace had this outcome.
fn with(outcome: &'static str) -> impl Fn(&Trace) -> bool {
    move |trace| {
        let launches = trace.named("launch");
        launches
            .iter()
            .any(|launch| launch.attribute("cue.outcome") == outcome)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_cannot_be_reached_has_grpcs_word_for_it_and_the_reason() {
    let (collector, yard) = yard(1, Fault::None).await;
    let nobody = [("CUE_RQD_ADDRESS", "127.0.0.1:1")];
    let program = yard.schedule(&collector, &nobody).await;
    let trace = collector.trace("the failure", with("unreachable")).await;
    trace.assert_sound();
    let launch = trace.only("launch");
    assert_eq!(launch.attribute("rpc.response.status_code"), "UNAVAILABLE");
    assert_eq!(launch.attribute("error.type"), "UNAVAILABLE");
    let why = launch.error.as_deref().unwrap();
    assert!(
        why.contains("node1 cannot be reached") && why.contains("refused"),
        "{why}"
    );
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_had_to_wait_too_long_says_so_and_for_how_long() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(3, SimRqdSettings::default()).await;
    yard.rqd.set_fault_all(Fault::Stall);
    // Each frame has a host of its own, for a host that does not answer is sent no other launch. The first
    // call becomes a slow one, of which there may be as many as connections; the second keeps its place.
    let whole = yard
        .farm
        .frames("unlucky", 3, |layer| layer.cores_min = 3200);
    whole.await.unwrap();
    let one_at_a_time = [
        ("CUE_LAUNCHES_IN_FLIGHT", "1"),
        ("CUE_RQD_CONNECTIONS", "1"),
        ("CUE_LAUNCH_DEADLINE", "3s"),
        ("CUE_RQD_REQUEST_TIMEOUT", "3500ms"),
        ("CUE_RESOLVE_ATTEMPTS", "2"),
    ];
    let program = yard.schedule(&collector, &one_at_a_time).await;
    let trace = collector.trace("the late one", with("too_late")).await;
    println!("{trace}");
    trace.assert_sound();
    let launches = trace.named("launch");
    let of = |outcome: &str| {
        let is = |launch: &&&_| crate::tree::Span::attribute(launch, "cue.outcome") == outcome;
        *launches.iter().find(is).unwrap()
    };
    let late = of("too_late");
    let why = late.error.as_deref().unwrap();
    assert_eq!(why, "it had to wait too long and was not begun");
    assert!(late.number("cue.queue_wait_us") >= 3_000_000, "{trace}");
    let first = of("unresolved");
    assert_eq!(
        first.attribute("rpc.response.status_code"),
        "DEADLINE_EXCEEDED"
    );
    assert!(first.number("cue.queue_wait_us") < 3_000_000, "{trace}");
    // The host was asked what became of the first, and did not answer either. There are five seconds
    // for all questions about a launch, so a second one is cut short or never put.
    let questions = trace.named("ask_host");
    let of_first = |question: &&&crate::tree::Span| question.parent == first.id;
    let questions: Vec<_> = questions.iter().filter(of_first).copied().collect();
    assert!((1..=2).contains(&questions.len()), "{trace}");
    let question = questions[0];
    assert_eq!(question.number("cue.attempt"), 1);
    assert!(question.error.as_deref().unwrap().contains("node"));
    for name in ["rpc.response.status_code", "error.type"] {
        assert_eq!(question.attribute(name), "DEADLINE_EXCEEDED");
    }
    assert_eq!(question.number("server.port"), first.number("server.port"));
    yard.rqd.set_fault_all(Fault::None);
    yard.launched(3).await;
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_on_a_host_that_did_not_answer_another_is_not_sent_and_says_so() {
    let (collector, yard) = yard(2, Fault::Stall).await;
    let one_at_a_time = [
        ("CUE_LAUNCHES_IN_FLIGHT", "1"),
        ("CUE_RQD_REQUEST_TIMEOUT", "500ms"),
        ("CUE_RESOLVE_ATTEMPTS", "2"),
    ];
    let program = yard.schedule(&collector, &one_at_a_time).await;
    let trace = collector.trace("the one not sent", with("not_sent"));
    let trace = trace.await;
    trace.assert_sound();
    let launches = trace.named("launch");
    let not_sent = launches
        .iter()
        .find(|launch| launch.attribute("cue.outcome") == "not_sent");
    let not_sent = not_sent.unwrap();
    assert_eq!(
        not_sent.error.as_deref(),
        Some("its host did not take another launch")
    );
    assert_eq!(not_sent.attribute("error.type"), "not_sent");
    assert!(not_sent.number("cue.queue_wait_us") >= 500_000, "{trace}");
    yard.rqd.set_fault_all(Fault::None);
    yard.launched(2).await;
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_a_launch_without_an_answer_is_in_its_trace() {
    let (collector, yard) = yard(1, Fault::Vanish).await;
    let few = [("CUE_RESOLVE_ATTEMPTS", "2")];
    let program = yard.schedule(&collector, &few).await;
    let open = r#"scheduler_launches_total{outcome="unresolved"} 1"#;
    until("the launch to be left open", async || {
        program.get("/metrics").await.1.contains(open)
    })
    .await;
    yard.rqd.set_fault_all(Fault::None);
    let trace = collector
        .trace("what it came to", |trace| !trace.named("settle").is_empty())
        .await;
    println!("{trace}");
    let (launch, settled) = (trace.only("launch"), trace.only("settle"));
    assert_eq!(settled.parent, launch.id);
    assert_eq!(settled.attribute("cue.outcome"), "taken_back");
    assert_eq!(
        settled.attribute("cue.frame.id"),
        launch.attribute("cue.frame.id")
    );
    assert!(settled.start >= launch.end);
    let undone = (launch.trace.clone(), launch.id.clone());
    until("the trace of what took the booking back", async || {
        let spans = collector.spans();
        let mut taken = spans.iter().filter(|span| span.name == "take_back");
        taken.any(|span| span.parent.is_empty() && span.links == [undone.clone()])
    })
    .await;
    yard.launched(1).await;
    yard.close(program).await;
}
