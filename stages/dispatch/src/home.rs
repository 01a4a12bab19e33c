//! Launching a batch and sending its hosts home.
//!
//! All hosts of a batch are launched on at once, each by itself. Those that are done go home together,
//! in small sets, with what failed on them taken back. A host that hangs keeps nobody waiting: as soon
//! as only slow hosts are left, the turns of the batch are over and its capacity is free for the next one.

use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use cue_domain::blame::{self, HostBackoff, Verdict};
use cue_domain::messages::{Outcome, Returned};
use cue_domain::{HostId, LayerId, Ticket};
use cue_flow::{Chain, Closed, Outlet, Reserved};
use cue_store::Unlaunched;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::batch::{Batch, BatchFrame};
use crate::calls::AwaitedHosts;
use crate::hosts::{PlanHosts, Turns};
use crate::launch::{BatchFacts, Launching};
use crate::launching::HostLaunches;
use crate::pending::PendingLaunch;
use crate::{Dispatch, PARTS};

/// Time that hosts which are done wait for others, to go home together.
const GATHER: Duration = Duration::from_millis(20);

/// First and longest backoff of a layer that hosts refuse though they take others.
const REFUSED_LAYER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// Hosts that go home together.
#[derive(Default)]
struct Group {
    /// Nothing failed on these, or nothing was launched.
    clean: Vec<Returned>,
    /// On these something is to be taken back.
    failed: Vec<Returned>,
    accepted: Vec<PendingLaunch>,
    /// Launches that do not run; those of the second kind may arrive late.
    dead: Vec<(PendingLaunch, bool)>,
    tickets: Vec<Ticket>,
}

impl Group {
    const fn is_empty(&self) -> bool {
        self.clean.is_empty() && self.failed.is_empty() && self.tickets.is_empty()
    }

    fn add(&mut self, launches: HostLaunches, host: Option<Returned>) {
        let group = match launches.dead.is_empty() {
            true => &mut self.clean,
            false => &mut self.failed,
        };
        group.extend(host);
        let pending = |mut frame: BatchFrame| frame.pending.take();
        self.accepted
            .extend(launches.accepted.into_iter().filter_map(pending));
        let dead = launches.dead.into_iter();
        self.dead
            .extend(dead.filter_map(|(frame, late)| Some((pending(frame)?, late))));
    }
}

impl Dispatch {
    /// Launches what was booked, sends the hosts home as they are done, and takes back what certainly
    /// does not run. What is left open, for whatever reason, stays pending.
    pub(crate) async fn launch(
        &self,
        batch: Batch,
        mut hosts: PlanHosts,
        mut turns: Turns,
        capacity: Reserved,
        out: &Outlet<Outcome>,
    ) -> Result<(), Closed<Outcome>> {
        let (facts, frames) = BatchFacts::of(batch);
        let launching = Launching {
            rqd: &self.rqd,
            calls: &self.calls,
            per_host: self.settings.launches_in_flight / PARTS,
            resolve_attempts: self.settings.resolve_attempts,
            batch: &facts,
            out,
            metrics: &self.metrics,
            resting: &self.resting,
        };
        let awaited = AwaitedHosts::default();
        let mut running: FuturesUnordered<_> = by_host(frames)
            .into_iter()
            .map(|(host, frames)| launching.launch_host(host, frames, awaited.await_host()))
            .collect();
        let mut home = FuturesUnordered::new();
        let mut unused = hosts.take_unused();
        let (mut done, mut capacity) = (Vec::new(), Some(capacity));
        let mut gathered = Box::pin(tokio::time::sleep(GATHER));
        loop {
            let all = running.is_empty();
            if home.is_empty() && (all || (!done.is_empty() && gathered.is_elapsed())) {
                let mut group = self.group(std::mem::take(&mut done), &mut hosts);
                group.clean.append(&mut unused);
                if all {
                    group.tickets = turns.end();
                }
                if !group.is_empty() {
                    home.push(self.send_home(group, out));
                }
            }
            let only_slow = done.is_empty() && home.is_empty() && !all && !turns.are_over();
            tokio::select! {
                Some(sent) = home.next() => sent?,
                Some(launches) = running.next() => {
                    turns.count_launched(&launches);
                    if done.is_empty() {
                        gathered.as_mut().reset(tokio::time::Instant::now() + GATHER);
                    }
                    done.push(launches);
                }
                () = &mut gathered, if !done.is_empty() && !gathered.is_elapsed() => {}
                () = awaited.none(), if only_slow => {
                    // Neither the turns nor the next batch wait for hosts that hang.
                    drop(capacity.take());
                    let (hosts, tickets) = (std::mem::take(&mut unused), turns.end());
                    out.send(Outcome { hosts, tickets }).await?;
                }
                else => return Ok(()),
            }
        }
    }

    /// Puts hosts together with what became of their launches, and decides who backs off.
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
        let mut blame = self.blame.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = blame.judge(answers, now);
        drop(blame);
        for layer in &verdict.layers {
            let backoff = self.resting.strike_within(layer, now, REFUSED_LAYER);
            tracing::warn!(
                layer.id = %layer, backoff_seconds = backoff.as_secs(),
                "hosts refuse a layer though they are not to blame; the layer backs off"
            );
        }
        verdict
    }

    /// Sends the hosts of a group home: those without a fault at once, the others when what failed on
    /// them was taken back. Then the acknowledged launches are recorded.
    async fn send_home(&self, group: Group, out: &Outlet<Outcome>) -> Result<(), Closed<Outcome>> {
        let Group {
            clean,
            mut failed,
            accepted,
            dead,
            mut tickets,
        } = group;
        let recordable = !accepted.is_empty();
        accepted.into_iter().for_each(PendingLaunch::acknowledged);
        if failed.is_empty() || !clean.is_empty() {
            let tickets = match failed.is_empty() {
                true => std::mem::take(&mut tickets),
                false => Vec::new(),
            };
            out.send(Outcome {
                hosts: clean,
                tickets,
            })
            .await?;
        }
        if !failed.is_empty() {
            self.take_back(dead, &mut failed).await;
            out.send(Outcome {
                hosts: failed,
                tickets,
            })
            .await?;
        }
        if recordable {
            self.recorder.record_or_postpone().await;
        }
        Ok(())
    }

    /// Takes back what does not run, in one transaction.
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
                // Nobody knows what is idle on them.
                for host in hosts {
                    host.backoff = Some(HostBackoff::Whole);
                }
                return;
            }
        };
        self.metrics.undone.inc_by(undone.procs.len() as u64);
        let gone: HashSet<_> = undone.procs;
        for (pending, late) in dead {
            let was_ours = gone.contains(&pending.launch().booking.proc);
            pending.taken_back(late && was_ours);
        }
        for host in hosts {
            if let Some(idle) = undone.hosts.get(&host.lease.id) {
                host.idle = Some(*idle);
            }
        }
    }
}

/// The frames of each host, by its index in the plan.
fn by_host(frames: Vec<BatchFrame>) -> BTreeMap<usize, Vec<BatchFrame>> {
    let mut of_host: BTreeMap<usize, Vec<BatchFrame>> = BTreeMap::new();
    for frame in frames {
        of_host.entry(frame.host).or_default().push(frame);
    }
    of_host
}
