//! Random lines of random sizes deliver every item exactly once, and in order where each stage has
//! one worker.

use std::marker::PhantomData;

use proptest::prelude::*;

use super::*;
use crate::{Ended, Width};

#[derive(Debug, Clone)]
struct Link {
    kind: usize,
    workers: usize,
    queue: usize,
}

fn link() -> impl Strategy<Value = Link> {
    (0..2_usize, 1..4_usize, 1..5_usize).prop_map(|(kind, workers, queue)| Link {
        kind,
        workers,
        queue,
    })
}

async fn deliver(line: &[Link], items: u64) -> Vec<u64> {
    let open = Gate::closed();
    open.open_for_good();
    let mut flow = flow();
    let mut parts = flow.line(Numbers::upto(items));
    for link in line {
        let width = Width {
            workers: n(link.workers),
            queue: n(link.queue),
        };
        parts = match link.kind {
            0 => parts.stage(Relay::<A>::new(), width),
            _ => parts.cpu_stage(CpuRelay::<C>(PhantomData), width),
        };
    }
    let (last, got) = keeper::<Z>(&open);
    let width = Width {
        workers: n(1),
        queue: n(1),
    };
    parts.end(last, width);
    assert_eq!(within(flow.ended()).await, Ended::Finished);
    let report = within(flow.drain(PATIENCE)).await;
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    let got = got.lock().unwrap();
    got.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_item_arrives_exactly_once(
        line in prop::collection::vec(link(), 0..5),
        items in 0..80_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2).enable_time().build().unwrap();
        let mut got = runtime.block_on(deliver(&line, items));
        let expected: Vec<u64> = (0..items).collect();
        if line.iter().all(|link| link.workers == 1) {
            prop_assert_eq!(&got, &expected, "one worker a stage keeps the order");
        }
        got.sort_unstable();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn one_worker_a_stage_keeps_the_order(
        mut line in prop::collection::vec(link(), 1..5),
        items in 0..80_u64,
    ) {
        for link in &mut line {
            link.workers = 1;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2).enable_time().build().unwrap();
        let got = runtime.block_on(deliver(&line, items));
        prop_assert_eq!(got, (0..items).collect::<Vec<_>>());
    }
}
