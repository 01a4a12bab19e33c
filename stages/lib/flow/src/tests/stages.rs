//! Sources and stages that do one thing each.
//!
//! They are named by what they do; a label gives each use of one its own name in the flow.

use futures::future::BoxFuture;

use super::*;

/// Gives 0, 1, 2, ... and counts what it takes in hand and what it could send.
pub(super) struct Numbers {
    upto: u64,
    pub(super) in_hand: Count,
    pub(super) sent: Count,
}

impl Numbers {
    pub(super) fn upto(upto: u64) -> Self {
        Self {
            upto,
            in_hand: Count::new(),
            sent: Count::new(),
        }
    }
}

impl Source for Numbers {
    const NAME: &'static str = "numbers";
    type Out = u64;

    async fn run(self, out: Outlet<u64>, stop: StopToken) -> Result<(), BoxError> {
        for number in 0..self.upto {
            self.in_hand.up();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                sent = out.send(number) => sent?,
            }
            self.sent.up();
        }
        Ok(())
    }
}

/// A source that gives these numbers, then waits for the stop.
pub(super) struct Given(pub(super) Vec<u64>);

impl Source for Given {
    const NAME: &'static str = "given";
    type Out = u64;

    async fn run(self, out: Outlet<u64>, stop: StopToken) -> Result<(), BoxError> {
        for number in self.0 {
            out.send(number).await?;
        }
        stop.cancelled().await;
        Ok(())
    }
}

/// Sends what it takes.
pub(super) struct Relay<L>(PhantomData<L>);

impl<L: Label> Relay<L> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<L: Label> Stage for Relay<L> {
    const NAME: &'static str = L::NAME;
    type In = u64;
    type Out = u64;

    async fn handle(&self, item: u64, out: &Outlet<u64>) -> Verdict {
        match out.send_last(item).await {
            Ok(()) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}

/// Gives what it takes, on a thread.
pub(super) struct CpuRelay<L>(pub(super) PhantomData<L>);

impl<L: Label> CpuStage for CpuRelay<L> {
    const NAME: &'static str = L::NAME;
    type In = u64;
    type Out = u64;

    fn handle(&self, item: u64) -> Result<u64, Verdict> {
        Ok(item)
    }
}

/// A last stage that does what a closure says.
pub(super) struct Does<L, F>(F, PhantomData<L>);

impl<L: Label, F> Does<L, F>
where
    F: Fn(u64) -> BoxFuture<'static, Verdict> + Send + Sync + 'static,
{
    pub(super) fn new(does: F) -> Self {
        Self(does, PhantomData)
    }
}

impl<L: Label, F> Stage for Does<L, F>
where
    F: Fn(u64) -> BoxFuture<'static, Verdict> + Send + Sync + 'static,
{
    const NAME: &'static str = L::NAME;
    type In = u64;
    type Out = Infallible;

    async fn handle(&self, item: u64, _out: &Outlet<Infallible>) -> Verdict {
        (self.0)(item).await
    }
}

/// A last stage on threads that does what a closure says.
pub(super) struct CpuDoes<L, F>(F, PhantomData<L>);

impl<L: Label, F: Fn(u64) -> Verdict + Send + Sync + 'static> CpuDoes<L, F> {
    pub(super) fn new(does: F) -> Self {
        Self(does, PhantomData)
    }
}

impl<L: Label, F: Fn(u64) -> Verdict + Send + Sync + 'static> CpuStage for CpuDoes<L, F> {
    const NAME: &'static str = L::NAME;
    type In = u64;
    type Out = Infallible;

    fn handle(&self, item: u64) -> Result<Infallible, Verdict> {
        Err((self.0)(item))
    }
}

/// Items of a last stage, in the order of its passes through the gate.
pub(super) type Got = Arc<Mutex<Vec<u64>>>;

/// A last stage that waits at a gate for each item and keeps it.
pub(super) fn keeper<L: Label>(
    gate: &Gate,
) -> (impl Stage<In = u64, Out = Infallible> + use<L>, Got) {
    let got = Got::default();
    let (gate, kept) = (gate.clone(), Arc::clone(&got));
    let stage = Does::<L, _>::new(move |item| {
        let (gate, kept) = (gate.clone(), Arc::clone(&kept));
        Box::pin(async move {
            gate.enter().await;
            kept.lock().unwrap().push(item);
            Verdict::Done
        })
    });
    (stage, got)
}

/// As [`keeper`], on threads.
pub(super) fn cpu_keeper<L: Label>(
    gate: &Gate,
) -> (impl CpuStage<In = u64, Out = Infallible> + use<L>, Got) {
    let got = Got::default();
    let (gate, kept) = (gate.clone(), Arc::clone(&got));
    let stage = CpuDoes::<L, _>::new(move |item| {
        block_on(gate.enter());
        kept.lock().unwrap().push(item);
        Verdict::Done
    });
    (stage, got)
}
