//! Edges: what cannot be sent comes back, and the depth is true whatever happens.

use super::*;
use crate::{StageGone, Verdict};

#[tokio::test]
async fn a_send_to_a_dead_stage_returns_the_item() {
    let mut flow = flow();
    let (out, inlet) = flow.edge::<u64>("z", n(1));
    drop(inlet);
    assert_eq!(out.send(7).await.unwrap_err().0, 7);
    assert_eq!(
        out.send_root(8, tracing::Span::none()).await.unwrap_err().0,
        8
    );
    assert_eq!(out.send_blocking(9).unwrap_err().0, 9);
}

#[tokio::test]
async fn a_send_that_waits_gets_its_item_back_when_the_stage_dies() {
    let mut flow = flow();
    let (out, inlet) = flow.edge::<u64>("z", n(1));
    out.send(1).await.unwrap();
    let waits = out.send(2);
    tokio::pin!(waits);
    assert!(futures::poll!(&mut waits).is_pending());
    drop(inlet);
    assert_eq!(within(waits).await.unwrap_err().0, 2);
}

#[test]
fn not_being_able_to_hand_on_is_fatal() {
    let Verdict::Fatal(error) = Verdict::from(crate::Closed(std::cell::Cell::new(1))) else {
        panic!("another verdict")
    };
    assert!(error.is::<StageGone>());
}

#[tokio::test]
async fn the_depth_follows_what_is_sent_taken_and_dropped() {
    let meters = Meters::new(&prometheus::Registry::new()).unwrap();
    let gauge = meters.edge("z").depth;
    let depth = || gauge.get();
    let mut flow = Flow::new(meters);
    let (out, mut inlet) = flow.edge("z", n(3));
    for item in 0..3 {
        out.send(item).await.unwrap();
    }
    let too_much = out.send(3);
    tokio::pin!(too_much);
    assert!(futures::poll!(&mut too_much).is_pending());
    assert_eq!(depth(), 3, "what waits for a place has none");
    assert_eq!(inlet.take().await, Some(0));
    assert_eq!(depth(), 2);
    drop(inlet);
    assert_eq!(depth(), 0);
}
