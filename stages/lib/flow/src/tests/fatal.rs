//! A part that dies stops the program, with its name and cause.

use super::*;
use crate::shutdown::ShutdownState;
use crate::{Ended, StageGone};

#[derive(Debug, thiserror::Error)]
#[error("the schema is of another version")]
struct WrongSchema;

#[tokio::test]
async fn a_fatal_verdict_stops_the_program_and_is_reported() {
    let numbers = Numbers::upto(u64::MAX);
    let mut flow = flow();
    let (to_a, from_source) = flow.edge("a", n(2));
    let (to_z, from_a) = flow.edge("z", n(2));
    flow.source(numbers, to_a);
    flow.stage(Relay::<A>::new(), n(1), from_source, to_z);
    let stage = Does::<Z, _>::new(|item| {
        Box::pin(async move {
            if item == 3 {
                Verdict::Fatal(WrongSchema.into())
            } else {
                Verdict::Done
            }
        })
    });
    flow.stage(stage, n(1), from_a, Flow::last_outlet());

    assert_eq!(within(flow.ended()).await, Ended::Died);
    assert!(flow.stop_token().is_cancelled());
    let control = flow.control();
    let report = within(flow.drain(PATIENCE)).await;
    let (name, error) = report.fatal.unwrap();
    assert!(
        error.is::<WrongSchema>(),
        "the cause, not that `a` could not hand on: {error}"
    );
    assert_eq!((name, report.laggards.len()), ("z", 0));
    let z = control
        .snapshot()
        .into_iter()
        .find(|part| part.name == "z")
        .unwrap();
    assert_eq!(
        (z.items.done, z.items.fatal),
        (3, 1),
        "nothing is taken after it"
    );
}

#[tokio::test]
async fn a_fatal_verdict_on_a_thread_stops_the_program() {
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(2));
    flow.source(Given(vec![1]), to_z);
    let stage = CpuDoes::<Z, _>::new(|_item| Verdict::Fatal(WrongSchema.into()));
    flow.cpu_stage(stage, n(1), inlet, Flow::last_outlet());
    assert_eq!(within(flow.ended()).await, Ended::Died);
    let (name, error) = within(flow.drain(PATIENCE)).await.fatal.unwrap();
    assert!(name == "z" && error.is::<WrongSchema>());
}

#[tokio::test]
async fn a_dead_stage_takes_nothing_more_though_it_has_idle_workers() {
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(2));
    let stage = Does::<Z, _>::new(|_| Box::pin(async { Verdict::Fatal(WrongSchema.into()) }));
    flow.stage(stage, n(2), inlet, Flow::last_outlet());
    to_z.send(1).await.unwrap();
    assert_eq!(within(flow.ended()).await, Ended::Died);
    settle().await;
    assert_eq!(to_z.send(2).await.unwrap_err().0, 2);
}

#[tokio::test]
async fn a_dead_stage_of_threads_ends_though_its_inlet_is_open() {
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(2));
    let stage = CpuDoes::<Z, _>::new(|_item| Verdict::Fatal(WrongSchema.into()));
    flow.cpu_stage(stage, n(2), inlet, Flow::last_outlet());
    to_z.send(1).await.unwrap();
    assert_eq!(within(flow.ended()).await, Ended::Died);
    let report = within(flow.drain(Duration::from_secs(5))).await;
    assert!(report.laggards.is_empty(), "{report:?}");
    assert!(to_z.send(2).await.is_err());
}

#[test]
fn the_first_cause_is_kept_and_a_consequence_gives_way_to_a_cause() {
    let shutdown = ShutdownState::default();
    shutdown.fail("a", StageGone.into());
    shutdown.fail("z", WrongSchema.into());
    shutdown.fail("b", "something later".into());
    shutdown.fail("c", StageGone.into());
    let (name, error) = shutdown.cause().take().unwrap();
    assert!(name == "z" && error.is::<WrongSchema>());
    assert!(shutdown.stop.is_cancelled() && shutdown.died.is_cancelled());
}

struct Broken;
impl Source for Broken {
    const NAME: &'static str = "broken";
    type Out = u64;

    async fn run(self, _out: Outlet<u64>, _stop: StopToken) -> Result<(), BoxError> {
        Err(WrongSchema.into())
    }
}

#[tokio::test]
async fn a_source_that_fails_stops_the_program() {
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(2));
    let (last, _got) = keeper::<Z>(&Gate::closed());
    flow.source(Broken, to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    assert_eq!(within(flow.ended()).await, Ended::Died);
    let (name, error) = within(flow.drain(PATIENCE)).await.fatal.unwrap();
    assert!(name == "broken" && error.is::<WrongSchema>());
}
