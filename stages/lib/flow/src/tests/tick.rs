//! Side loops: they go on when they fail, and end with the flow.

use std::sync::Arc;

use super::*;
use crate::Tick;

/// Fails, then panics, then works, then hangs.
struct Moody {
    calls: Count,
    hangs: Arc<()>,
}

impl Tick for Moody {
    const NAME: &'static str = "moody";

    async fn tick(&self) -> Result<Duration, BoxError> {
        self.calls.up();
        match self.calls.get() {
            1 => Err("not yet".into()),
            2 => panic!("on purpose"),
            3 => Ok(Duration::from_millis(1)),
            _ => {
                let _held = Arc::clone(&self.hangs);
                std::future::pending().await
            }
        }
    }
}

#[tokio::test]
async fn a_tick_is_tried_again_and_is_dropped_when_the_flow_stops() {
    let (calls, hangs) = (Count::new(), Arc::new(()));
    let mut flow = flow();
    flow.tick(Moody {
        calls: calls.clone(),
        hangs: Arc::clone(&hangs),
    });
    calls.reach(4).await;
    let moody = status(&flow, "moody");
    assert_eq!(
        (moody.items.retry, moody.items.panic, moody.items.done),
        (1, 1, 1)
    );
    assert_eq!((moody.workers, moody.busy), (1, 1));
    let report = within(flow.drain(PATIENCE)).await;
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    assert_eq!(Arc::strong_count(&hangs), 1);
}

#[tokio::test]
async fn a_flow_has_ended_when_only_its_ticks_go_on() {
    let mut flow = flow();
    flow.tick(Moody {
        calls: Count::new(),
        hangs: Arc::default(),
    });
    let (to_z, inlet) = flow.edge("z", n(1));
    let (last, _got) = keeper::<Z>(&Gate::closed());
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    drop(to_z);
    assert_eq!(within(flow.ended()).await, crate::Ended::Finished);
    assert!(within(flow.drain(PATIENCE)).await.laggards.is_empty());
}
