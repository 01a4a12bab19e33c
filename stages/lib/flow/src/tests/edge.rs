//! Edges: an item that cannot be sent comes back, and the depth is always true.

use super::*;
use crate::{StageGone, Verdict};

#[tokio::test]
async fn a_send_to_a_dead_stage_returns_the_item() {
    let mut flow = flow();
    let (out, inlet) = flow.edge::<u64>("z", n(1));
    drop(inlet);
    assert_eq!(out.send(7).await.unwrap_err().0, 7);
    assert!(out.reserve().await.is_err());
    assert_eq!(out.send_last(9).await.unwrap_err().0, 9);
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
fn a_closed_edge_is_fatal() {
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
    assert_eq!(depth(), 3, "an item that waits for a slot has none");
    assert_eq!(take(&mut inlet).await, Some(0));
    assert_eq!(depth(), 2);
    drop(inlet);
    assert_eq!(depth(), 0);
}

#[tokio::test]
async fn a_reserved_slot_is_exclusive_and_free_again_when_it_is_dropped() {
    let meters = Meters::new(&prometheus::Registry::new()).unwrap();
    let depth = meters.edge("z").depth;
    let mut flow = Flow::new(meters);
    let (out, mut inlet) = flow.edge("z", n(1));
    let slot = out.reserve().await.unwrap();
    assert_eq!(depth.get(), 0, "a slot is no item");
    let other = out.send(2);
    tokio::pin!(other);
    assert!(futures::poll!(&mut other).is_pending());
    drop(slot);
    within(&mut other).await.unwrap();
    assert_eq!(take(&mut inlet).await, Some(2));
    let slot = out.reserve().await.unwrap();
    slot.send_root(3, tracing::Span::none());
    assert_eq!(depth.get(), 1);
    assert_eq!(take(&mut inlet).await, Some(3));
}
