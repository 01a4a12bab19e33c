//! Stop travels down the line; what does not follow is named.

use std::sync::Arc;

use super::*;

#[tokio::test]
async fn the_source_stops_and_what_is_queued_is_still_handled() {
    let gate = Gate::closed();
    let (last, got) = keeper::<Z>(&gate);
    let numbers = Numbers::upto(u64::MAX);
    let (in_hand, sent) = (numbers.in_hand.clone(), numbers.sent.clone());
    let mut flow = flow();
    let (to_a, from_source) = flow.edge("a", n(3));
    let (to_b, from_a) = flow.edge("b", n(2));
    let (to_z, from_b) = flow.edge("z", n(4));
    flow.source(numbers, to_a);
    flow.stage(Relay::<A>::new(), n(2), from_source, to_b);
    flow.cpu_stage(CpuRelay::<B>(PhantomData), n(1), from_a, to_z);
    flow.stage(last, n(1), from_b, Flow::last_outlet());
    in_hand.reach((3 + 2) + (2 + 1) + (4 + 1) + 1).await;

    flow.stop_token().cancel();
    gate.open_for_good();
    let report = within(flow.drain(PATIENCE)).await;
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    let mut got = got.lock().unwrap().clone();
    got.sort_unstable();
    assert_eq!(
        got,
        (0..sent.get()).collect::<Vec<_>>(),
        "no item sent is lost"
    );
    assert!(sent.get() >= 13);
}

#[tokio::test]
async fn a_laggard_is_named_after_the_grace_and_its_item_is_dropped() {
    let gate = Gate::closed();
    let held = Arc::new(());
    let (holding, entered) = (Arc::clone(&held), gate.clone());
    let stuck = Does::<A, _>::new(move |_item| {
        let (guard, gate) = (Arc::clone(&holding), entered.clone());
        Box::pin(async move {
            gate.enter().await;
            drop(guard);
            Verdict::Done
        })
    });
    let mut flow = flow();
    let (to_a, inlet) = flow.edge("a", n(1));
    flow.source(Given(vec![1]), to_a);
    flow.stage(stuck, n(1), inlet, Flow::last_outlet());
    let (idle, idle_inlet) = flow.edge("z", n(1));
    let (last, _got) = keeper::<Z>(&gate);
    flow.stage(last, n(1), idle_inlet, Flow::last_outlet());
    gate.entered.reach(1).await;
    assert_eq!(Arc::strong_count(&held), 3);

    let report = within(flow.drain(Duration::from_millis(20))).await;
    assert_eq!(
        report.laggards,
        ["a"],
        "z only waits for its inlet to close"
    );
    assert!(report.fatal.is_none(), "{report:?}");
    assert_eq!(
        Arc::strong_count(&held),
        1,
        "the item's guards ran before the report"
    );
    assert!(idle.send(1).await.is_err());
}

#[tokio::test]
async fn a_thread_that_never_ends_is_named_and_does_not_hold_up_the_drain() {
    let gate = Gate::closed();
    let (last, _got) = cpu_keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(4));
    flow.source(Given(vec![1, 2]), to_z);
    flow.cpu_stage(last, n(1), inlet, Flow::last_outlet());
    gate.entered.reach(1).await;
    let report = within(flow.drain(Duration::from_millis(20))).await;
    assert_eq!(report.laggards, ["z"]);
    gate.open_for_good();
}

#[tokio::test]
async fn a_thread_that_waits_to_send_ends_when_the_next_stage_is_aborted() {
    let (last, _got) = keeper::<Z>(&Gate::closed());
    let numbers = Numbers::upto(9);
    let in_hand = numbers.in_hand.clone();
    let mut flow = flow();
    let (to_a, from_source) = flow.edge("a", n(1));
    let (to_z, from_a) = flow.edge("z", n(1));
    flow.source(numbers, to_a);
    flow.cpu_stage(CpuRelay::<A>(PhantomData), n(1), from_source, to_z);
    flow.stage(last, n(1), from_a, Flow::last_outlet());
    in_hand.reach(5).await;
    let report = within(flow.drain(Duration::from_millis(20))).await;
    assert_eq!(report.laggards, ["a", "z"]);
    assert!(
        report.fatal.is_none(),
        "being torn down is no cause of death: {report:?}"
    );
}

#[tokio::test]
async fn a_source_that_does_not_stop_is_named() {
    struct Deaf;
    impl Source for Deaf {
        const NAME: &'static str = "deaf";
        type Out = u64;

        async fn run(self, _out: Outlet<u64>, _stop: StopToken) -> Result<(), BoxError> {
            std::future::pending().await
        }
    }
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(1));
    let (last, _got) = keeper::<Z>(&Gate::closed());
    flow.source(Deaf, to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    settle().await;
    let report = within(flow.drain(Duration::from_millis(20))).await;
    assert_eq!(report.laggards, ["deaf"]);
}

#[tokio::test]
async fn a_source_that_has_no_more_ends_the_flow_in_good_order() {
    let gate = Gate::closed();
    gate.open_for_good();
    let (last, got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(1));
    flow.source(Numbers::upto(3), to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    assert_eq!(within(flow.ended()).await, crate::Ended::Finished);
    assert!(!flow.stop_token().is_cancelled());
    let report = within(flow.drain(PATIENCE)).await;
    assert!(report.laggards.is_empty() && report.fatal.is_none());
    assert_eq!(*got.lock().unwrap(), [0, 1, 2]);
}
