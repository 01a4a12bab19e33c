//! A worker that is released before its pass ends.

use super::*;

/// Releases its worker, then waits at its gate.
struct Releases(Gate);

impl Stage for Releases {
    const NAME: &'static str = "z";
    type In = u64;
    type Out = Infallible;

    async fn handle(&self, _item: u64, out: &Outlet<Infallible>) -> Verdict {
        out.release_worker();
        out.release_worker();
        self.0.enter().await;
        Verdict::Done
    }
}

#[tokio::test]
async fn a_released_worker_takes_the_next_item_and_the_stage_ends_after_all_passes() {
    let gate = Gate::closed();
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(1));
    flow.source(Given((0..5).collect()), to_z);
    flow.stage(Releases(gate.clone()), n(1), inlet, Flow::last_outlet());
    gate.entered.reach(5).await;
    settle().await;
    let (busy, workers) = (status(&flow, "z").busy, status(&flow, "z").workers);
    assert_eq!((busy, workers), (0, 1), "none is busy, and none was added");
    let control = flow.control();
    let draining = flow.drain(PATIENCE);
    tokio::pin!(draining);
    tokio::select! {
        _ = &mut draining => panic!("five passes are under way"),
        () = settle() => {}
    }
    gate.open_for_good();
    let report = within(draining).await;
    assert!(report.laggards.is_empty() && report.fatal.is_none());
    let done = control.snapshot().into_iter().find(|one| one.name == "z");
    assert_eq!(done.unwrap().items.done, 5);
}

#[tokio::test]
async fn a_pass_that_goes_on_without_a_worker_is_aborted_with_its_stage() {
    let gate = Gate::closed();
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(1));
    flow.source(Given((0..2).collect()), to_z);
    flow.stage(Releases(gate.clone()), n(1), inlet, Flow::last_outlet());
    gate.entered.reach(2).await;
    let report = within(flow.drain(Duration::from_millis(50))).await;
    assert_eq!(report.laggards, ["z"]);
}
