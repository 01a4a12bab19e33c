//! The span of a pass: the stage's own work, without its waits for room.
//!
//! Invariant: a wait for room is a span of its own. The stage's span ends where the wait begins, and another one begins
//! after the wait if the pass has more to do. A pass that has released its worker may work while it waits; its span goes
//! on then, and the wait is a span below it.

use std::fmt::Display;
use std::future::poll_fn;
use std::task::Poll;

use parking_lot::{Mutex, MutexGuard};
use tracing::{Span, field};

use crate::trace::{SYSTEM, Trace, room};

/// The spans of one pass.
pub(crate) struct PassSpan {
    trace: Trace,
    stage: &'static str,
    state: Mutex<State>,
}

struct State {
    /// Span of the work; none while the pass waits for room, and after its last item.
    work: Span,
    works_while_waiting: bool,
    /// The span of the work has changed since the poll of the pass began.
    is_changed: bool,
}

impl PassSpan {
    /// Opens the span of a pass of `stage`.
    pub(crate) fn open(trace: Trace, stage: &'static str) -> Self {
        let state = State {
            work: work(&trace, stage),
            works_while_waiting: false,
            is_changed: false,
        };
        Self {
            trace,
            stage,
            state: Mutex::new(state),
        }
    }

    /// The span to enter while the stage works.
    pub(crate) fn work(&self) -> Span {
        self.state().work.clone()
    }

    /// The root span of the turn.
    pub(crate) fn root(&self) -> Span {
        self.trace.span().cloned().unwrap_or_else(Span::none)
    }

    /// Records that the pass works while it waits for room.
    pub(crate) fn works_while_waiting(&self) {
        self.state().works_while_waiting = true;
    }

    /// Ends the span: the pass has done its work, and only sends its last item.
    pub(crate) async fn done(&self) {
        self.record("done", None);
        self.change(Span::none()).await;
    }

    /// Begins a wait for room in the queue of `to`.
    pub(crate) async fn wait(&self, to: &'static str) -> RoomWait<'_> {
        let work = self.work();
        if work.is_none() {
            return self.room(&self.root(), to, false);
        }
        if self.state().works_while_waiting {
            return self.room(&work, to, false);
        }
        drop(work);
        self.change(Span::none()).await;
        self.room(&self.root(), to, true)
    }

    fn room(&self, parent: &Span, to: &'static str, begins_again: bool) -> RoomWait<'_> {
        RoomWait {
            pass: self,
            room: room(parent, to),
            begins_again,
        }
    }

    /// Replaces the span of the work. The poll of the pass is left and begun again, so that the span before is closed and
    /// the new one is entered.
    async fn change(&self, to: Span) {
        if !self.replace(to) {
            return;
        }
        let mut is_left = false;
        poll_fn(|context| {
            if std::mem::replace(&mut is_left, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Replaces the span of the work. Returns false if there was none, and is none.
    fn replace(&self, to: Span) -> bool {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.work, to);
        state.is_changed = !(before.is_none() && state.work.is_none());
        state.is_changed
    }

    /// Returns true once after each change of the span.
    pub(crate) fn take_change(&self) -> bool {
        std::mem::take(&mut self.state().is_changed)
    }

    /// Records the end of the pass.
    pub(crate) fn record(&self, verdict: &'static str, reason: Option<&dyn Display>) {
        let span = self.work();
        span.record("cue.verdict", verdict);
        if let Some(reason) = reason {
            span.record("cue.reason", field::display(reason));
        }
        if matches!(verdict, "retry" | "fatal" | "panic" | "aborted") {
            span.record("error.type", verdict);
            if let Some(reason) = reason {
                span.record("otel.status_description", field::display(reason));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A wait for room.
pub(crate) struct RoomWait<'a> {
    pass: &'a PassSpan,
    room: Span,
    begins_again: bool,
}

impl RoomWait<'_> {
    /// Ends the wait. The pass goes on in a new span, if it has more to do.
    pub(crate) async fn end(self) {
        let Self {
            pass,
            room,
            begins_again,
        } = self;
        drop(room);
        if begins_again {
            pass.change(work(&pass.trace, pass.stage)).await;
        }
    }
}

/// Opens a span of the work of `stage`. Stages record in it how much they had to do.
fn work(trace: &Trace, stage: &'static str) -> Span {
    trace.span().map_or_else(Span::none, |root| {
        tracing::info_span!(
            parent: root,
            "stage",
            otel.name = stage,
            otel.kind = "consumer",
            messaging.system = SYSTEM,
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = stage,
            cue.verdict = field::Empty,
            cue.reason = field::Empty,
            cue.jobs = field::Empty,
            cue.layers = field::Empty,
            cue.frames = field::Empty,
            cue.hosts = field::Empty,
            cue.launches_failed = field::Empty,
            otel.status_description = field::Empty,
            error.type = field::Empty,
        )
    })
}
