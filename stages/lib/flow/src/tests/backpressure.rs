//! Backpressure by arithmetic: while the last stage is held, exactly as many items leave the
//! source as there are places in the queues and workers, and one more is in the source's hand.

use std::marker::PhantomData;

use super::*;

/// Waits until the source has `expected` in hand, and shows that it then stays there.
async fn stuck_at(flow: &Flow, in_hand: &Count, expected: u64) {
    in_hand.reach(expected).await;
    settle().await;
    assert_eq!(in_hand.get(), expected, "{:#?}", flow.control().snapshot());
}

#[tokio::test]
async fn async_stages_hold_their_queues_and_workers() {
    let gate = Gate::closed();
    let (last, got) = keeper::<Z>(&gate);
    let numbers = Numbers::upto(100);
    let in_hand = numbers.in_hand.clone();
    let mut flow = flow();
    let (to_a, from_source) = flow.edge("a", n(3));
    let (to_z, from_a) = flow.edge("z", n(5));
    flow.source(numbers, to_a);
    flow.stage(Relay::<A>::new(), n(2), from_source, to_z);
    flow.stage(last, n(4), from_a, Flow::last_outlet());

    stuck_at(&flow, &in_hand, (3 + 2) + (5 + 4) + 1).await;
    let (a, z) = (status(&flow, "a"), status(&flow, "z"));
    assert_eq!(
        (a.queue_depth, a.queue_capacity, a.busy, a.workers),
        (3, 3, 2, 2)
    );
    assert_eq!(
        (z.queue_depth, z.queue_capacity, z.busy, z.workers),
        (5, 5, 4, 4)
    );

    gate.open_for_good();
    within(flow.ended()).await;
    assert_eq!(got.lock().unwrap().len(), 100);
    assert_eq!(
        (
            status(&flow, "a").items.done,
            status(&flow, "z").queue_depth
        ),
        (100, 0)
    );
    assert_eq!(status(&flow, "numbers").items.done, 100);
}

#[tokio::test]
async fn threads_hold_their_queues_and_workers() {
    let gate = Gate::closed();
    let (last, got) = cpu_keeper::<Z>(&gate);
    let numbers = Numbers::upto(100);
    let in_hand = numbers.in_hand.clone();
    let mut flow = flow();
    let (to_a, from_source) = flow.edge("a", n(2));
    let (to_z, from_a) = flow.edge("z", n(4));
    flow.source(numbers, to_a);
    flow.cpu_stage(CpuRelay::<A>(PhantomData), n(3), from_source, to_z);
    flow.cpu_stage(last, n(2), from_a, Flow::last_outlet());

    stuck_at(&flow, &in_hand, (2 + 3) + (4 + 2) + 1).await;
    gate.entered.reach(2).await;
    assert_eq!(gate.entered.get(), 2, "no item reaches a third thread");

    gate.open_for_good();
    within(flow.ended()).await;
    let mut got = got.lock().unwrap().clone();
    got.sort_unstable();
    assert_eq!(got, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_taken_without_a_permit() {
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.source(Given((0..5).collect()), to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    gate.entered.reach(1).await;
    settle().await;
    assert_eq!(
        (status(&flow, "z").queue_depth, status(&flow, "z").busy),
        (4, 1)
    );
    gate.open(1);
    gate.entered.reach(2).await;
    settle().await;
    assert_eq!((status(&flow, "z").queue_depth, gate.entered.get()), (3, 2));
}

#[tokio::test]
async fn waiting_to_send_is_no_run_time() {
    let registry = prometheus::Registry::new();
    let mut flow = Flow::new(Meters::new(&registry).unwrap());
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let (to_a, from_source) = flow.edge("a", n(1));
    let (to_z, from_a) = flow.edge("z", n(1));
    flow.source(Numbers::upto(3), to_a);
    flow.stage(Relay::<A>::new(), n(1), from_source, to_z);
    flow.stage(last, n(1), from_a, Flow::last_outlet());
    gate.entered.reach(1).await;
    settle().await;
    // The third item finds the edge full for as long as this timer takes: here time is the subject.
    tokio::time::sleep(Duration::from_millis(200)).await;
    gate.open_for_good();
    within(flow.ended()).await;
    let sum = |name: &str| {
        let families = registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == name)
            .unwrap();
        let of_a = family
            .get_metric()
            .iter()
            .find(|m| m.get_label()[0].value() == "a")
            .unwrap();
        of_a.get_histogram().get_sample_sum()
    };
    assert!(sum("scheduler_stage_send_wait_seconds") >= 0.2);
    assert!(sum("scheduler_stage_run_seconds") < 0.2);
}
