//! A panic costs one item, and that item gives back what it had.

use std::sync::Arc;

use super::*;
use crate::Ended;

#[tokio::test]
async fn a_panic_is_contained_and_counted_and_the_guards_of_its_item_run() {
    let guard = Arc::new(());
    let holding = Arc::clone(&guard);
    let stage = Does::<Z, _>::new(move |item| {
        let guard = Arc::clone(&holding);
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(item != 2, "on purpose");
            drop(guard);
            Verdict::Skip("nothing to do")
        })
    });
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(2));
    flow.source(Numbers::upto(5), to_z);
    flow.stage(stage, n(1), inlet, Flow::last_outlet());
    assert_eq!(within(flow.ended()).await, Ended::Finished);
    let z = status(&flow, "z");
    assert_eq!((z.items.skip, z.items.panic, z.busy), (4, 1, 0));
    assert_eq!(
        Arc::strong_count(&guard),
        1,
        "the stage is gone, and so are all its guards"
    );
    assert!(z.run_p50.is_some() && z.queue_wait_p99.is_some());
}
