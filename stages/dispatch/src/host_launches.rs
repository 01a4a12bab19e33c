//! Launching the frames of one host.
//!
//! A host gets one launch first, which finds out whether the host answers, and then several at a time. Each answer
//! counts for the launches that were not sent yet.

use std::time::{Duration, Instant};

use cue_domain::blame::{self, Answer};
use cue_domain::{FrameId, HostId, LayerId, ProcId};
use cue_rqd::TracePoint;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracing::Instrument;

use crate::batch::BookedFrame;
use crate::calls::AwaitedHost;
use crate::host_limits::PerHostLimits;
use crate::launch::{Attempt, Launching, failed_because};
use crate::metrics::LaunchResult;
use crate::resolve::{Found, ask};
use crate::sent::Sent;

/// Time for which a batch asks about launches of unknown outcome; then the loop that settles takes over.
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// The launches of one host, as they ended.
pub(crate) struct HostLaunches {
    /// The host.
    pub(crate) host: HostId,
    /// These run.
    pub(crate) accepted: Vec<BookedFrame>,
    /// These certainly do not run, or the host says so; the second kind may arrive late.
    pub(crate) dead: Vec<(BookedFrame, bool)>,
    /// Launches that did not succeed, whatever is known of them.
    pub(crate) failures: u32,
    /// The meaning of the answers for host and layers.
    pub(crate) answers: Vec<blame::Outcome<HostId, LayerId>>,
}

impl HostLaunches {
    const fn new(host: HostId) -> Self {
        Self {
            host,
            accepted: Vec::new(),
            dead: Vec::new(),
            failures: 0,
            answers: Vec::new(),
        }
    }

    fn add(&mut self, attempt: Attempt) {
        let Attempt {
            mut frame, sent, ..
        } = attempt;
        let answer = match sent {
            Sent::Accepted => Some(Answer::Accepted),
            Sent::Dead(answer) => answer,
            Sent::NotThere(answer) => Some(answer),
            Sent::Unknown { .. } | Sent::Unresolved => Some(Answer::Unfit),
        };
        if let Some(answer) = answer {
            self.answers.push(blame::Outcome {
                host: self.host.clone(),
                layer: frame.booking.layer.id.clone(),
                answer,
            });
        }
        self.failures += u32::from(sent != Sent::Accepted);
        match sent {
            Sent::Accepted => self.accepted.push(frame),
            Sent::Dead(_) | Sent::NotThere(_) => {
                frame.mark_dead();
                let may_arrive = matches!(sent, Sent::NotThere(_));
                self.dead.push((frame, may_arrive));
            }
            // Dropped with its pending launch, the frame is left to the loop that settles.
            Sent::Unknown { .. } | Sent::Unresolved => drop(frame),
        }
    }
}

impl Launching<'_> {
    /// Launches the frames of one host of the batch.
    pub(crate) async fn launch_host(
        &self,
        host: HostId,
        frames: Vec<BookedFrame>,
        awaited: AwaitedHost<'_>,
    ) -> HostLaunches {
        let (limits, wanted) = (PerHostLimits::default(), Instant::now());
        let name = frames.first().map(|frame| frame.booking.host.name.clone());
        let mut waiting = frames.into_iter();
        let mut calls = FuturesUnordered::new();
        let mut at_once = 1;
        let mut done = HostLaunches::new(host);
        let mut unknown = Vec::new();
        let mut unsent = 0_usize;
        loop {
            while calls.len() < at_once
                && let Some(frame) = waiting.next()
            {
                calls.push(self.launch(frame, wanted, &limits, &awaited));
            }
            let Some(attempt) = calls.next().await else {
                break;
            };
            at_once = self.per_host.max(1);
            match attempt.sent {
                Sent::Unknown { .. } => unknown.push(attempt),
                _ => {
                    unsent += usize::from(attempt.result == LaunchResult::NotSent);
                    done.add(attempt);
                }
            }
        }
        if unsent > 0 {
            tracing::warn!(
                host = name.as_deref(),
                frames = unsent,
                "launches are not sent to a host that did not take others; their bookings are taken back"
            );
        }
        if !unknown.is_empty() {
            // Questions take a while, and nobody else waits for them.
            awaited.is_slow();
            self.resolve(unknown, &mut done).await;
        }
        done
    }

    /// Asks the host about launches of unknown outcome.
    async fn resolve(&self, unknown: Vec<Attempt>, done: &mut HostLaunches) {
        let Some(first) = unknown.first() else {
            return;
        };
        let (about, span) = (first.frame.booking.clone(), first.span.clone());
        let host = &about.host;
        let frame = |attempt: &Attempt| {
            let booking = &attempt.frame.booking;
            (booking.frame.id.clone(), booking.proc.clone())
        };
        let frames: Vec<(FrameId, ProcId)> = unknown.iter().map(frame).collect();
        let attempts = self.resolve_attempts;
        let asked = ask(self.rqd, &host.name, &frames, attempts, Some(&about));
        let found = tokio::time::timeout(RESOLVE_LIMIT, asked.instrument(span)).await;
        let found = found.unwrap_or_default();
        let resolved = found.iter().filter(|one| **one != Found::NoAnswer).count();
        let unresolved = unknown.len() - resolved;
        if unresolved > 0 {
            tracing::error!(
                host = %host.name, frames = unresolved,
                "the host does not say whether frames run; their bookings stay until it does"
            );
        }
        for (n, attempt) in unknown.into_iter().enumerate() {
            let found = found.get(n).copied().unwrap_or(Found::NoAnswer);
            done.add(self.resolved(attempt, found));
        }
    }

    /// The attempt with the host's answer about its frame.
    fn resolved(&self, mut attempt: Attempt, found: Found) -> Attempt {
        let silent = attempt.sent == Sent::Unknown { silent: true };
        let answer = if silent {
            Answer::Unfit
        } else {
            Answer::Refused
        };
        (attempt.sent, attempt.result) = match found {
            Found::Runs => (Sent::Accepted, LaunchResult::Confirmed),
            Found::DoesNotRun => (Sent::NotThere(answer), LaunchResult::NotRunning),
            Found::NoAnswer => (Sent::Unresolved, LaunchResult::Unresolved),
        };
        self.record(&attempt.span, attempt.result);
        if attempt.sent != Sent::Accepted {
            if let Some((kind, text)) = &attempt.unknown {
                attempt.span.in_scope(|| failed_because(kind, text));
            }
            if let Some(pending) = &mut attempt.frame.pending {
                pending.set_trace(TracePoint::of(&attempt.span));
            }
        }
        attempt
    }
}
