//! A worker that backs off keeps its permit, so a peer in trouble slows the stages before; a stop ends the backoff.

use std::time::Instant;

use super::*;

fn sick(delay: Duration, calls: &Count) -> impl Fn(u64) -> Verdict + Send + Sync + 'static {
    let calls = calls.clone();
    move |item| {
        calls.up();
        if item == 0 {
            Verdict::RetryAfter(delay, "the peer is sick".into())
        } else {
            Verdict::Done
        }
    }
}

#[tokio::test]
async fn a_backoff_holds_the_permit_until_the_program_stops() {
    let calls = Count::new();
    let verdict = sick(Duration::from_secs(3600), &calls);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.source(Given((0..4).collect()), to_z);
    let stage = Does::<Z, _>::new(move |item| {
        let verdict = verdict(item);
        Box::pin(async move { verdict })
    });
    flow.stage(stage, n(1), inlet, Flow::last_outlet());
    calls.reach(1).await;
    settle().await;
    let z = status(&flow, "z");
    assert_eq!(
        (calls.get(), z.busy, z.queue_depth, z.items.retry),
        (1, 1, 3, 1)
    );

    let control = flow.control();
    let report = within(flow.drain(PATIENCE)).await;
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    let z = control
        .snapshot()
        .into_iter()
        .find(|part| part.name == "z")
        .unwrap();
    assert_eq!(
        (calls.get(), z.items.done),
        (4, 3),
        "what was queued is still handled"
    );
}

#[tokio::test]
async fn a_backoff_ends_after_its_delay() {
    let (calls, delay) = (Count::new(), Duration::from_millis(30));
    let verdict = sick(delay, &calls);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    let began = Instant::now();
    flow.source(Given(vec![0, 1]), to_z);
    flow.cpu_stage(
        CpuDoes::<Z, _>::new(verdict),
        n(1),
        inlet,
        Flow::last_outlet(),
    );
    calls.reach(2).await;
    assert!(began.elapsed() >= delay);
}

#[tokio::test]
async fn a_computing_stage_backs_off_until_the_program_stops() {
    let calls = Count::new();
    let verdict = sick(Duration::from_secs(3600), &calls);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(8));
    flow.source(Given(vec![0, 1]), to_z);
    flow.cpu_stage(
        CpuDoes::<Z, _>::new(verdict),
        n(1),
        inlet,
        Flow::last_outlet(),
    );
    calls.reach(1).await;
    let report = within(flow.drain(PATIENCE)).await;
    assert!(report.laggards.is_empty());
    assert_eq!(calls.get(), 2);
}
