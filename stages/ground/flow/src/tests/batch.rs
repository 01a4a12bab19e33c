//! Batches grow with the load, and never at the price of a lone item's time.

use std::sync::Arc;

use super::*;

#[tokio::test]
async fn a_lone_item_does_not_wait_and_batches_grow_under_load() {
    let gate = Gate::closed();
    let batches = Batches::<A>::new(4, &gate);
    let taken = Arc::clone(&batches.taken);
    let mut flow = flow();
    let (to_a, inlet) = flow.edge("a", n(16));
    let (out, mut sent) = flow.edge("z", n(32));
    flow.batch_stage(batches, n(1), inlet, out);

    within(to_a.send(0)).await.unwrap();
    gate.entered.reach(1).await;
    for item in 1..=6 {
        within(to_a.send(item)).await.unwrap();
    }
    gate.open_for_good();
    drop(to_a);
    for expected in 0..=6 {
        assert_eq!(within(sent.take()).await, Some(expected));
    }
    assert_eq!(
        *taken.lock().unwrap(),
        [vec![0], vec![1, 2, 3, 4], vec![5, 6]]
    );
    within(flow.ended()).await;
}

#[tokio::test]
async fn a_bound_of_zero_is_read_as_one() {
    let gate = Gate::closed();
    gate.open_for_good();
    let batches = Batches::<A>::new(0, &gate);
    let taken = Arc::clone(&batches.taken);
    let mut flow = flow();
    let (to_a, inlet) = flow.edge("a", n(4));
    let (out, _sent) = flow.edge("z", n(4));
    to_a.send(1).await.unwrap();
    to_a.send(2).await.unwrap();
    drop(to_a);
    flow.batch_stage(batches, n(1), inlet, out);
    within(flow.ended()).await;
    assert_eq!(*taken.lock().unwrap(), [[1], [2]]);
}
