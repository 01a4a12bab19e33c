//! Launching the frames of one host.
//!
//! A host gets one launch first, which finds out whether it answers, and then several at a time. What it
//! says about one of them counts for the others that were not sent yet.

use std::time::{Duration, Instant};

use cue_domain::blame::{self, Answer};
use cue_domain::{HostId, LayerId, ProcId};
use cue_rqd::TracePoint;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracing::Instrument;

use crate::batch::BatchFrame;
use crate::calls::AwaitedHost;
use crate::gate::HostGate;
use crate::launch::{Attempt, Launching, Sent, failed_because};
use crate::resolve::{self, Found};

/// Time for which a batch asks what became of launches without a clear answer; then the loop that
/// settles takes over.
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// The launches of one host, as they ended.
#[derive(Default)]
pub(crate) struct HostLaunches {
    /// Index of the host in its plan.
    pub(crate) host: usize,
    /// These run.
    pub(crate) accepted: Vec<BatchFrame>,
    /// These certainly do not run, or the host says so; the second kind may arrive late.
    pub(crate) dead: Vec<(BatchFrame, bool)>,
    /// Launches that did not succeed, whatever is known of them.
    pub(crate) failures: u32,
    /// The meaning of the answers for host and layers.
    pub(crate) answers: Vec<blame::Outcome<HostId, LayerId>>,
}

impl HostLaunches {
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
                host: frame.row.host.clone(),
                layer: frame.row.layer.clone(),
                answer,
            });
        }
        self.failures += u32::from(sent != Sent::Accepted);
        match sent {
            Sent::Accepted => self.accepted.push(frame),
            Sent::Dead(_) => {
                frame.is_dead();
                self.dead.push((frame, false));
            }
            Sent::NotThere(_) => {
                frame.is_dead();
                self.dead.push((frame, true));
            }
            // Dropped with its pending launch: the loop that settles finds out.
            Sent::Unknown { .. } | Sent::Unresolved => drop(frame),
        }
    }
}

impl Launching<'_> {
    /// Launches the frames of one host of the batch.
    pub(crate) async fn launch_host(
        &self,
        host: usize,
        frames: Vec<BatchFrame>,
        awaited: AwaitedHost<'_>,
    ) -> HostLaunches {
        let (gate, wanted) = (HostGate::default(), Instant::now());
        let mut waiting = frames.into_iter();
        let mut calls = FuturesUnordered::new();
        let mut at_once = 1;
        let mut done = HostLaunches {
            host,
            ..HostLaunches::default()
        };
        let mut unknown = Vec::new();
        let mut unsent = 0_usize;
        loop {
            while calls.len() < at_once
                && let Some(frame) = waiting.next()
            {
                calls.push(self.launch(frame, wanted, &gate, &awaited));
            }
            let Some(attempt) = calls.next().await else {
                break;
            };
            at_once = self.per_host.max(1);
            match attempt.sent {
                Sent::Unknown { .. } => unknown.push(attempt),
                _ => {
                    unsent += usize::from(attempt.held_back);
                    done.add(attempt);
                }
            }
        }
        if unsent > 0 {
            tracing::warn!(
                unsent,
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

    /// Asks the host what became of launches without a clear answer.
    async fn resolve(&self, unknown: Vec<Attempt>, done: &mut HostLaunches) {
        let Some(first) = unknown.first() else {
            return;
        };
        let (host_name, span) = (first.frame.row.host_name.clone(), first.span.clone());
        let frames: Vec<(_, ProcId)> = unknown
            .iter()
            .map(|attempt| {
                let row = &attempt.frame.row;
                (row.frame.clone(), row.proc.clone())
            })
            .collect();
        let asked = resolve::ask(self.rqd, &host_name, &frames, self.resolve_attempts);
        let found = tokio::time::timeout(RESOLVE_LIMIT, asked.instrument(span)).await;
        let found = found.unwrap_or_default();
        let unresolved =
            unknown.len() - found.iter().filter(|one| **one != Found::NoAnswer).count();
        if unresolved > 0 {
            tracing::error!(
                host = %host_name, frames = unresolved,
                "the host does not say whether frames run; their bookings stay until it does"
            );
        }
        for (n, mut attempt) in unknown.into_iter().enumerate() {
            let silent = attempt.sent == Sent::Unknown { silent: true };
            let (sent, outcome) = match found.get(n) {
                Some(Found::Runs) => (Sent::Accepted, "confirmed"),
                Some(Found::DoesNotRun) if silent => (Sent::NotThere(Answer::Unfit), "not_running"),
                Some(Found::DoesNotRun) => (Sent::NotThere(Answer::Refused), "not_running"),
                Some(Found::NoAnswer) | None => (Sent::Unresolved, "unresolved"),
            };
            attempt.sent = sent;
            self.record(&attempt.span, outcome);
            if sent != Sent::Accepted {
                if let Some((kind, words)) = &attempt.doubt {
                    attempt.span.in_scope(|| failed_because(kind, words));
                }
                if let Some(pending) = &mut attempt.frame.pending {
                    pending.launch_mut().trace = TracePoint::of(&attempt.span);
                }
            }
            done.add(attempt);
        }
    }
}
