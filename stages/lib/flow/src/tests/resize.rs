//! Pools are resized while they work.

use super::*;
use crate::NoSuchStage;

#[tokio::test]
async fn a_pool_grows_and_shrinks_while_it_works() {
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(64));
    flow.source(Given((0..40).collect()), to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    let control = flow.control();
    gate.entered.reach(1).await;

    control.set_workers("z", n(4)).unwrap();
    gate.entered.reach(4).await;
    settle().await;
    assert_eq!((gate.entered.get(), status(&flow, "z").busy), (4, 4));

    control.set_workers("z", n(2)).unwrap();
    settle().await;
    assert_eq!(
        (status(&flow, "z").workers, status(&flow, "z").busy),
        (2, 4),
        "none is killed"
    );
    gate.open(1);
    settle().await;
    assert_eq!(
        (gate.entered.get(), status(&flow, "z").busy),
        (4, 3),
        "the first one leaves"
    );
    gate.open(1);
    settle().await;
    assert_eq!(
        (gate.entered.get(), status(&flow, "z").busy),
        (4, 2),
        "the second one leaves"
    );
    gate.open(1);
    gate.entered.reach(5).await;
    settle().await;
    assert_eq!(
        (gate.entered.get(), status(&flow, "z").busy),
        (5, 2),
        "two are left"
    );
}

#[tokio::test]
async fn growing_again_before_owed_permits_are_repaid_cancels_them() {
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(64));
    flow.source(Given((0..40).collect()), to_z);
    flow.stage(last, n(3), inlet, Flow::last_outlet());
    gate.entered.reach(3).await;
    flow.control().set_workers("z", n(1)).unwrap();
    flow.control().set_workers("z", n(4)).unwrap();
    gate.entered.reach(4).await;
    settle().await;
    assert_eq!((gate.entered.get(), status(&flow, "z").busy), (4, 4));
}

#[tokio::test]
async fn an_idle_receiver_gives_up_a_permit_that_is_owed() {
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.stage(last, n(2), inlet, Flow::last_outlet());
    to_z.send(1).await.unwrap();
    gate.entered.reach(1).await;
    settle().await;
    // One worker is busy, the other's permit is with the receiver that waits for an item.
    flow.control().set_workers("z", n(1)).unwrap();
    settle().await;
    to_z.send(2).await.unwrap();
    settle().await;
    assert_eq!((gate.entered.get(), status(&flow, "z").busy), (1, 1));
    gate.open(1);
    gate.entered.reach(2).await;
}

#[tokio::test]
async fn a_stage_that_does_not_exist_is_refused_by_name() {
    let mut flow = flow();
    let (_to_a, inlet) = flow.edge("a", n(1));
    let (out, _inlet) = flow.edge("z", n(1));
    flow.stage(Relay::<A>::new(), n(1), inlet, out);
    let refused = flow.control().set_workers("b", n(1)).unwrap_err();
    assert_eq!(
        refused,
        NoSuchStage {
            stage: "b".to_owned(),
            known: "a".to_owned()
        }
    );
}
