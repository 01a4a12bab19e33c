//! Launching a batch and returning its hosts.
//!
//! All hosts of a batch are launched on at once, each by itself. Hosts that are done are returned together,
//! in small groups, with what failed on them taken back. A host that hangs keeps nobody waiting: as soon
//! as only slow hosts are left, the turn is over and the batch's capacity is free for the next one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cue_domain::blame::{self, HostBackoff, Verdict};
use cue_domain::messages::{Outcome, Returned};
use cue_domain::{HostId, LayerId, Setback, TurnTicket};
use cue_flow::{Chain, Closed, Outlet, Reserved, record_count};
use cue_store::Unlaunched;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracing::{Instrument, Span};

use crate::batch::{BatchFacts, BookedFrame};
use crate::calls::AwaitedHosts;
use crate::host_launches::HostLaunches;
use crate::hosts::PlanHosts;
use crate::launch::{Launching, failed_because, mark_failed};
use crate::pending::PendingLaunch;
use crate::stage::{Dispatch, PARTS};

/// Time that hosts which are done wait for others, to be returned together.
const GATHER: Duration = Duration::from_millis(20);

/// First and longest backoff of a layer that hosts refuse though they take others.
const REFUSED_LAYER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// Kind of the failure of a stage and a turn of which a launch failed.
const LAUNCH_FAILED: &str = "launch_failed";

/// Hosts that are returned together.
#[derive(Default)]
struct Group {
    /// Nothing failed on these, or nothing was launched.
    clean: Vec<Returned>,
    /// On these something must be taken back.
    failed: Vec<Returned>,
    accepted: Vec<PendingLaunch>,
    /// Launches that do not run; those of the second kind may arrive late.
    dead: Vec<(PendingLaunch, bool)>,
    ticket: Option<TurnTicket>,
}

impl Group {
    const fn is_empty(&self) -> bool {
        self.clean.is_empty() && self.failed.is_empty() && self.ticket.is_none()
    }

    fn add(&mut self, launches: HostLaunches, host: Option<Returned>) {
        let group = match launches.dead.is_empty() {
            true => &mut self.clean,
            false => &mut self.failed,
        };
        group.extend(host);
        let pending = |frame: BookedFrame| frame.pending;
        self.accepted
            .extend(launches.accepted.into_iter().filter_map(pending));
        let dead = launches.dead.into_iter();
        self.dead
            .extend(dead.filter_map(|(frame, late)| Some((pending(frame)?, late))));
    }
}

impl Dispatch {
    /// Launches booked frames, returns the hosts as they are done, and takes back what certainly
    /// does not run. What is left open, for whatever reason, stays pending.
    pub(crate) async fn launch(
        &self,
        (facts, frames): (BatchFacts, Vec<BookedFrame>),
        mut hosts: PlanHosts,
        capacity: Reserved,
        out: &Outlet<Outcome>,
    ) -> Result<(), Closed<Outcome>> {
        let launching = self.launching(&facts);
        let awaited = AwaitedHosts::default();
        let mut running: FuturesUnordered<_> = by_host(frames)
            .into_iter()
            .map(|(host, frames)| launching.launch_host(host, frames, awaited.await_host()))
            .collect();
        let mut returning = FuturesUnordered::new();
        let mut unused = hosts.take_unused();
        let (mut done, mut capacity) = (Vec::new(), Some(capacity));
        let mut failures = Failures::default();
        let mut gathered = Box::pin(tokio::time::sleep(GATHER));
        loop {
            let all = running.is_empty();
            if returning.is_empty() && (all || (!done.is_empty() && gathered.is_elapsed())) {
                let mut group = self.group(std::mem::take(&mut done), &mut hosts);
                group.clean.append(&mut unused);
                if all {
                    failures.record(&hosts, out);
                    group.ticket = hosts.end_turn();
                }
                if !group.is_empty() {
                    returning.push(self.return_group(group, (out, all)));
                }
            }
            let only_slow =
                done.is_empty() && returning.is_empty() && !all && !hosts.is_turn_over();
            tokio::select! {
                Some(sent) = returning.next() => sent?,
                Some(launches) = running.next() => {
                    failures.count(&launches);
                    hosts.count_launched(&launches);
                    if done.is_empty() {
                        gathered.as_mut().reset(tokio::time::Instant::now() + GATHER);
                    }
                    done.push(launches);
                }
                () = &mut gathered, if !done.is_empty() && !gathered.is_elapsed() => {}
                () = awaited.none(), if only_slow => {
                    // Neither the turn nor the next batch waits for hosts that hang.
                    drop(capacity.take());
                    let (hosts, ticket) = (std::mem::take(&mut unused), hosts.end_turn());
                    out.send(Outcome { hosts, ticket }).await?;
                }
                else => return Ok(()),
            }
        }
    }

    fn launching<'a>(&'a self, facts: &'a BatchFacts) -> Launching<'a> {
        Launching {
            rqd: &self.rqd,
            calls: &self.calls,
            per_host: self.settings.launches_in_flight / PARTS,
            resolve_attempts: self.settings.resolve_attempts,
            facts,
            metrics: &self.metrics,
            backoffs: &self.backoffs,
        }
    }

    /// Puts hosts together with the outcomes of their launches, and decides who backs off.
    fn group(&self, done: Vec<HostLaunches>, hosts: &mut PlanHosts) -> Group {
        let answers = done.iter().flat_map(|launches| &launches.answers);
        let answers: Vec<_> = answers.cloned().collect();
        let verdict = self.judge(&answers);
        let mut group = Group::default();
        for launches in done {
            let host = hosts.take(&launches, &verdict);
            group.add(launches, host);
        }
        group
    }

    fn judge(&self, answers: &[blame::Outcome<HostId, LayerId>]) -> Verdict<HostId, LayerId> {
        let now = Instant::now();
        let mut blame = self.blame.lock();
        let verdict = blame.judge(answers, now);
        drop(blame);
        for layer in &verdict.layers {
            let backoff =
                self.backoffs
                    .record_failure_within(layer, now, REFUSED_LAYER, Setback::Launch);
            tracing::warn!(
                layer.id = %layer, backoff_seconds = backoff.as_secs(),
                "hosts refuse a layer though they are not to blame; the layer backs off"
            );
        }
        verdict
    }

    /// Returns the hosts of a group: those without a fault at once, the others after what failed on
    /// them was taken back. Then the acknowledged launches are recorded.
    async fn return_group(
        &self,
        group: Group,
        (out, is_last): (&Outlet<Outcome>, bool),
    ) -> Result<(), Closed<Outcome>> {
        let Group {
            clean,
            mut failed,
            accepted,
            dead,
            mut ticket,
        } = group;
        let recordable = !accepted.is_empty();
        accepted.into_iter().for_each(PendingLaunch::acknowledged);
        if failed.is_empty() || !clean.is_empty() {
            let ticket = ticket.take_if(|_| failed.is_empty());
            let hosts = clean;
            let is_last = is_last && failed.is_empty();
            give(out, Outcome { hosts, ticket }, is_last).await?;
        }
        if !failed.is_empty() {
            self.take_back(dead, &mut failed).await;
            let hosts = failed;
            give(out, Outcome { hosts, ticket }, is_last).await?;
        }
        if recordable {
            // The hosts are on their way: the turn does not wait for the record.
            let recorded = self.recorder.record_or_postpone();
            recorded.instrument(beside(&out.turn())).await;
        }
        Ok(())
    }

    /// Takes back what does not run.
    async fn take_back(&self, dead: Vec<(PendingLaunch, bool)>, hosts: &mut [Returned]) {
        let booking = |(pending, _): &(PendingLaunch, bool)| pending.launch().booking.clone();
        let bookings: Vec<Unlaunched> = dead.iter().map(booking).collect();
        let undone = match self.store.undo(&bookings).await {
            Ok(undone) => undone,
            Err(error) => {
                tracing::warn!(
                    error = %Chain(&error),
                    frames = bookings.len(),
                    "failed launches cannot be taken back yet; they stay booked until they can"
                );
                // Their idle resources are unknown.
                for host in hosts {
                    host.backoff = Some(HostBackoff::Whole);
                }
                return;
            }
        };
        self.metrics.undone.inc_by(undone.procs.len() as u64);
        for (pending, late) in dead {
            let proc = &pending.launch().booking.proc;
            if undone.postponed.contains(proc) {
                // Dropped, the launch is left to the loop that settles.
                continue;
            }
            let was_ours = undone.procs.contains(proc);
            pending.taken_back(late && was_ours);
        }
        for host in hosts {
            if let Some(idle) = undone.hosts.get(&host.lease.id) {
                host.idle = Some(*idle);
            } else if !undone.postponed.is_empty() {
                host.backoff = Some(HostBackoff::Whole);
            }
        }
    }
}

/// Gives hosts to check-in. After the last ones the work of the stage is done.
async fn give(
    out: &Outlet<Outcome>,
    outcome: Outcome,
    is_last: bool,
) -> Result<(), Closed<Outcome>> {
    if is_last {
        out.send_last(outcome).await
    } else {
        out.send(outcome).await
    }
}

/// The span of the record of acknowledged launches, beside the stages of its turn.
fn beside(turn: &Span) -> Span {
    if turn.is_none() {
        return Span::none();
    }
    tracing::info_span!(parent: turn, "acknowledge")
}

/// Launches of a batch that failed, for its spans.
#[derive(Default)]
struct Failures {
    failed: usize,
}

impl Failures {
    fn count(&mut self, launches: &HostLaunches) {
        self.failed += usize::try_from(launches.failures).unwrap_or(usize::MAX);
    }

    /// Marks the stage, and a turn that is over; a turn that is not over counts for itself.
    fn record(&self, hosts: &PlanHosts, out: &Outlet<Outcome>) {
        if self.failed == 0 {
            return;
        }
        record_count("cue.launches_failed", self.failed);
        let reason = format!("{} of its launches failed", self.failed);
        failed_because(LAUNCH_FAILED, &reason);
        if hosts.is_turn_over() {
            // Entered, a root would end here.
            mark_failed(&out.turn(), LAUNCH_FAILED, &reason);
        }
    }
}

/// The frames of each host.
fn by_host(frames: Vec<BookedFrame>) -> HashMap<HostId, Vec<BookedFrame>> {
    let mut of_host: HashMap<HostId, Vec<BookedFrame>> = HashMap::new();
    for frame in frames {
        let host = frame.booking.host.id.clone();
        of_host.entry(host).or_default().push(frame);
    }
    of_host
}
