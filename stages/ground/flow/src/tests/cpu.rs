//! Threads: named, in the runtime's context, contained when they panic, joined in the end.

use std::cell::RefCell;
use std::sync::Arc;

use super::*;

thread_local! {
    /// Dropped when its thread has really ended.
    static MARK: RefCell<Option<Arc<()>>> = const { RefCell::new(None) };
}

/// A last stage whose threads each keep a clone of `mark` until they end.
fn marking<L: Label>(mark: &Arc<()>, gate: &Gate) -> impl CpuStage<In = u64, Out = Never> + use<L> {
    let (mark, gate) = (Arc::downgrade(mark), gate.clone());
    CpuDoes::<L, _>::new(move |_item| {
        MARK.with_borrow_mut(|slot| *slot = mark.upgrade());
        wait_here(gate.enter());
        Verdict::Done
    })
}

#[tokio::test]
async fn no_thread_outlives_the_drain() {
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
async fn threads_leave_when_the_crew_shrinks() {
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
        // Two threads follow the word to leave; only their end drops their marks.
        while Arc::strong_count(&mark) > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    flow.control().set_workers("z", n(2)).unwrap();
    to_z.send(3).await.unwrap();
    to_z.send(4).await.unwrap();
    gate.entered.reach(5).await;
    assert_eq!(status(&flow, "z").busy, 2);
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
async fn threads_are_named_and_know_the_runtime() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = Mutex::new(tell);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(1));
    flow.source(Numbers::upto(1), to_z);
    let stage = CpuDoes::<Z, _>::new(move |_item| {
        let name = std::thread::current().name().map(str::to_owned);
        let runtime = tokio::runtime::Handle::try_current().is_ok();
        tell.lock().unwrap().send((name, runtime)).unwrap();
        Verdict::Done
    });
    flow.cpu_stage(stage, n(1), inlet, Flow::last_outlet());
    within(flow.ended()).await;
    assert_eq!(told.recv().unwrap(), (Some("z-0".to_owned()), true));
}
