//! Lines: their parts stand in the order in which work flows, and run once the line has its end.

use super::*;
use crate::{Ended, Kind, Line, Width};

fn width(workers: usize, queue: usize) -> Width {
    Width {
        workers: n(workers),
        queue: n(queue),
    }
}

/// A line of a source and two stages, without its end.
fn unfinished(flow: &mut Flow, numbers: Numbers) -> Line<'_, u64> {
    flow.line(numbers)
        .stage(Relay::<A>::new(), width(2, 3))
        .cpu_stage(CpuRelay::<B>(PhantomData), width(1, 2))
}

#[tokio::test]
async fn parts_stand_in_the_order_of_the_work_and_have_their_widths() {
    let gate = Gate::closed();
    let (last, got) = keeper::<Z>(&gate);
    let mut flow = flow();
    unfinished(&mut flow, Numbers::upto(50)).end(last, width(4, 5));
    let parts = flow.control().snapshot().into_iter();
    let parts: Vec<_> = parts
        .map(|part| (part.name, part.kind, part.workers, part.queue_capacity))
        .collect();
    assert_eq!(
        parts[1..],
        [
            ("a", Kind::Stage, 2, 3),
            ("b", Kind::Cpu, 1, 2),
            ("z", Kind::Stage, 4, 5),
        ]
    );
    assert_eq!((parts[0].0, parts[0].1), ("numbers", Kind::Source));
    gate.open_for_good();
    assert_eq!(within(flow.ended()).await, Ended::Finished);
    assert_eq!(got.lock().unwrap().len(), 50);
}

#[tokio::test]
async fn no_part_of_a_line_without_its_end_runs() {
    let numbers = Numbers::upto(50);
    let in_hand = numbers.in_hand.clone();
    let mut flow = flow();
    drop(unfinished(&mut flow, numbers));
    settle().await;
    assert_eq!(in_hand.get(), 0);
    assert!(flow.control().snapshot().is_empty());
}
