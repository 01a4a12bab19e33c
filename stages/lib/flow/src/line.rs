//! A line: a source, stages and an end, in the order in which work flows.
//!
//! Invariant: the types on both sides of an edge agree at compile time, and no part runs before the line has its end.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use crate::edge::{Inlet, Outlet};
use crate::flow::Flow;
use crate::source::Source;
use crate::stage::{CpuStage, Stage};

/// Workers of a stage, and bound of the queue before the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Items that the stage handles at a time.
    pub workers: NonZeroUsize,
    /// Items that wait before the stage, at most.
    pub queue: NonZeroUsize,
}

/// A line without its end. Its last part gives `T`.
#[must_use = "a line without its end does not run"]
pub struct Line<'a, T> {
    flow: &'a mut Flow,
    start: Start<T>,
}

/// Runs the parts of a line, the last one with this outlet.
type Start<T> = Box<dyn FnOnce(&mut Flow, Outlet<T>)>;

impl Flow {
    /// A line that begins with a source.
    pub fn line<S: Source>(&mut self, source: S) -> Line<'_, S::Out> {
        Line {
            flow: self,
            start: Box::new(|flow, out| flow.source(source, out)),
        }
    }
}

impl<'a, T: Send + 'static> Line<'a, T> {
    /// Adds a stage.
    pub fn stage<S: Stage<In = T>>(self, stage: S, width: Width) -> Line<'a, S::Out> {
        self.then(S::NAME, width.queue, move |flow, inlet, out| {
            flow.stage(stage, width.workers, inlet, out);
        })
    }

    /// Adds a stage that computes, on at most 256 threads.
    pub fn cpu_stage<S: CpuStage<In = T>>(self, stage: S, width: Width) -> Line<'a, S::Out> {
        self.then(S::NAME, width.queue, move |flow, inlet, out| {
            flow.cpu_stage(stage, width.workers, inlet, out);
        })
    }

    /// Adds the last stage and runs the line.
    pub fn end<S: Stage<In = T, Out = Infallible>>(self, stage: S, width: Width) {
        let Line { flow, start } = self.stage(stage, width);
        start(flow, Flow::last_outlet());
    }

    /// Adds a part that takes from an edge of its own.
    fn then<U>(
        self,
        name: &'static str,
        queue: NonZeroUsize,
        run: impl FnOnce(&mut Flow, Inlet<T>, Outlet<U>) + 'static,
    ) -> Line<'a, U> {
        let Self { flow, start } = self;
        let start: Start<U> = Box::new(move |flow, out| {
            let (outlet, inlet) = flow.edge(name, queue);
            start(flow, outlet);
            run(flow, inlet, out);
        });
        Line { flow, start }
    }
}
