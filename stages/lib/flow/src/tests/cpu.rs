//! Stages that compute: bounded, in the runtime's context, contained when they panic, waited for in the end.

use std::sync::Arc;

use super::*;

/// A last stage that holds a clone of `mark` while it waits at the gate.
fn marking<L: Label>(
    mark: &Arc<()>,
    gate: &Gate,
) -> impl CpuStage<In = u64, Out = Infallible> + use<L> {
    let (mark, gate) = (Arc::downgrade(mark), gate.clone());
    CpuDoes::<L, _>::new(move |_item| {
        let _mark = mark.upgrade();
        block_on(gate.enter());
        Verdict::Done
    })
}

#[tokio::test]
async fn no_pass_outlives_the_drain() {
    let (mark, gate) = (Arc::new(()), Gate::closed());
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.source(Given((0..3).collect()), to_z);
    flow.cpu_stage(marking::<Z>(&mark, &gate), n(3), inlet, Flow::last_outlet());
    gate.entered.reach(3).await;
    assert_eq!(Arc::strong_count(&mark), 4, "three threads work at once");
    gate.open_for_good();
    let report = within(flow.drain(PATIENCE)).await;
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    assert_eq!(Arc::strong_count(&mark), 1);
}

#[tokio::test]
async fn an_abort_waits_for_the_pass_that_its_closed_edge_ends() {
    let numbers = Numbers::upto(9);
    let in_hand = numbers.in_hand.clone();
    let (last, _got) = keeper::<Z>(&Gate::closed());
    let mut flow = flow();
    let (to_a, from_source) = flow.edge("a", n(1));
    let (to_z, from_a) = flow.edge("z", n(1));
    flow.source(numbers, to_a);
    flow.cpu_stage(CpuRelay::<A>(PhantomData), n(1), from_source, to_z);
    flow.stage(last, n(1), from_a, Flow::last_outlet());
    in_hand.reach(5).await;
    let report = within(flow.drain(Duration::from_millis(20))).await;
    assert_eq!(report.laggards, ["a", "z"]);
}

#[tokio::test]
async fn a_pool_of_threads_shrinks_and_grows() {
    let (mark, gate) = (Arc::new(()), Gate::closed());
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.cpu_stage(marking::<Z>(&mark, &gate), n(3), inlet, Flow::last_outlet());
    for item in 0..3 {
        to_z.send(item).await.unwrap();
    }
    gate.entered.reach(3).await;
    flow.control().set_workers("z", n(1)).unwrap();
    settle().await;
    assert_eq!(
        (status(&flow, "z").workers, status(&flow, "z").busy),
        (1, 3),
        "none is killed"
    );
    gate.open(3);
    within(async {
        while status(&flow, "z").busy > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    flow.control().set_workers("z", n(2)).unwrap();
    for item in 3..6 {
        to_z.send(item).await.unwrap();
    }
    gate.entered.reach(5).await;
    settle().await;
    assert_eq!((status(&flow, "z").busy, gate.entered.get()), (2, 5));
    gate.open_for_good();
    drop(to_z);
    within(flow.ended()).await;
    assert_eq!(Arc::strong_count(&mark), 1);
}

#[tokio::test]
async fn a_panic_on_a_thread_is_contained_and_counted() {
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.source(Numbers::upto(4), to_z);
    let stage = CpuDoes::<Z, _>::new(|item| match item {
        1 => panic!("on purpose"),
        _ => Verdict::Done,
    });
    flow.cpu_stage(stage, n(1), inlet, Flow::last_outlet());
    assert_eq!(within(flow.ended()).await, crate::Ended::Finished);
    let items = status(&flow, "z").items;
    assert_eq!((items.done, items.panic), (3, 1));
}

#[tokio::test]
async fn threads_are_others_than_the_async_ones_and_know_the_runtime() {
    let (found, seen) = std::sync::mpsc::channel();
    let found = Mutex::new(found);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(1));
    flow.source(Numbers::upto(1), to_z);
    let stage = CpuDoes::<Z, _>::new(move |_item| {
        let thread = std::thread::current().id();
        let runtime = tokio::runtime::Handle::try_current().is_ok();
        found.lock().unwrap().send((thread, runtime)).unwrap();
        Verdict::Done
    });
    flow.cpu_stage(stage, n(1), inlet, Flow::last_outlet());
    within(flow.ended()).await;
    let (thread, runtime) = seen.recv().unwrap();
    assert!(runtime && thread != std::thread::current().id());
}
