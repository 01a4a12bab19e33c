//! Reports of ended frames, from the hosts on which they wait to the completer.
//!
//! Invariant: a report leaves its host only when it was applied, or, on a Python RQD, when four tries
//! have failed. A crash in between makes it come again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::completion::{Accounting, Completer, CompleterSettings, Completion, CompletionStats};
use crate::rqd::{Hosts, Program};

/// Time of four tries of a Python RQD (OPENCUE.md, Launch answers).
const FOUR_TRIES: Duration = Duration::from_secs(1);

/// Time between two tries of a host to reach Cuebot: a fault that ends gives no signal.
const RETRY: Duration = Duration::from_millis(50);

/// Reports that Cuebot takes before it has applied them.
const QUEUE: usize = 4096;

/// Progress of the post.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Progress {
    pub(super) stats: CompletionStats,
    pub(super) dropped: u64,
    pub(super) waiting: usize,
}

/// A report and the moment since when its host tries to deliver it.
struct Report {
    completion: Completion,
    since: Instant,
}

/// The hosts' side of the reports, and the completer of the Cuebot that is here.
pub(super) struct Post {
    pool: PgPool,
    hosts: Hosts,
    accounting: Accounting,
    ends: mpsc::Receiver<Completion>,
    is_present: watch::Receiver<bool>,
    /// Not delivered, oldest first.
    waiting: VecDeque<Report>,
    /// Delivered, in this order, and not known to be applied.
    delivered: VecDeque<Report>,
    /// Those of `delivered` that were applied and have left it.
    applied: u64,
    /// Work of earlier completers.
    before: CompletionStats,
    dropped: u64,
}

/// A Cuebot that is here.
struct Present {
    queue: mpsc::Sender<Completion>,
    completer: Completer,
}

impl Post {
    pub(super) fn new(
        pool: PgPool,
        hosts: Hosts,
        accounting: Accounting,
        ends: mpsc::Receiver<Completion>,
        is_present: watch::Receiver<bool>,
    ) -> Self {
        Self {
            pool,
            hosts,
            accounting,
            ends,
            is_present,
            waiting: VecDeque::new(),
            delivered: VecDeque::new(),
            applied: 0,
            before: CompletionStats::default(),
            dropped: 0,
        }
    }

    /// Delivers until it is stopped, and then what is left.
    pub(super) async fn run(mut self, sender: watch::Sender<Progress>, stop: CancellationToken) {
        let mut present = None;
        let mut open = true;
        while !stop.is_cancelled() {
            let is_present = *self.is_present.borrow_and_update();
            present = match present {
                None if is_present => Some(self.begin()),
                Some(present) if !is_present => {
                    self.crash(present).await;
                    None
                }
                unchanged => unchanged,
            };
            self.deliver(present.as_ref());
            let seen = self.progress(present.as_ref());
            sender.send_if_modified(|progress| std::mem::replace(progress, seen) != seen);
            tokio::select! {
                end = self.ends.recv(), if open => match end {
                    Some(end) => self.take(end),
                    None => open = false,
                },
                _ = self.is_present.changed() => {}
                () = more(present.as_ref()) => {}
                () = sleep(RETRY), if !self.waiting.is_empty() || !self.delivered.is_empty() => {}
                () = stop.cancelled() => {}
            }
        }
        let stats = self.finish(present).await;
        sender.send_replace(Progress {
            stats,
            dropped: self.dropped,
            waiting: 0,
        });
    }

    /// Takes an end and all that are there with it.
    fn take(&mut self, end: Completion) {
        let since = Instant::now();
        self.waiting.push_back(Report {
            completion: end,
            since,
        });
        while let Ok(completion) = self.ends.try_recv() {
            self.waiting.push_back(Report { completion, since });
        }
    }

    fn begin(&self) -> Present {
        let (queue, taken) = mpsc::channel(QUEUE);
        let settings = CompleterSettings {
            // One worker applies reports in the order in which they were delivered.
            workers: 1,
            accounting: self.accounting,
            ..CompleterSettings::default()
        };
        let completer = Completer::start(self.pool.clone(), taken, settings);
        Present { queue, completer }
    }

    /// Reports that were delivered and not applied come again.
    async fn crash(&mut self, present: Present) {
        let stats = present.completer.abort().await;
        self.forget_applied(stats.processed());
        self.before = self.before + stats;
        self.applied = 0;
        self.delivered.append(&mut self.waiting);
        std::mem::swap(&mut self.delivered, &mut self.waiting);
        let since = Instant::now();
        self.waiting
            .iter_mut()
            .for_each(|report| report.since = since);
    }

    fn forget_applied(&mut self, processed: u64) {
        let new = usize::try_from(processed - self.applied).unwrap_or(usize::MAX);
        self.delivered.drain(..new.min(self.delivered.len()));
        self.applied = processed;
    }

    /// Delivers what can be delivered, in order, and drops what its host gives up.
    fn deliver(&mut self, present: Option<&Present>) {
        if let Some(present) = present {
            self.forget_applied(present.completer.stats().processed());
        }
        let mut left = VecDeque::new();
        for report in std::mem::take(&mut self.waiting) {
            let host = &*report.completion.host;
            let taken = present
                .filter(|_| self.hosts.reachable(host))
                .map(|present| present.queue.try_send(report.completion.clone()).is_ok());
            match taken {
                Some(true) => self.delivered.push_back(report),
                // A full queue is an answer that takes long, and no failed try.
                Some(false) => left.push_back(report),
                None if self.gives_up(&report) => self.dropped += 1,
                None => left.push_back(report),
            }
        }
        self.waiting = left;
    }

    fn gives_up(&self, report: &Report) -> bool {
        report.since.elapsed() > FOUR_TRIES
            && self.hosts.program(&report.completion.host) == Program::Python
    }

    fn progress(&self, present: Option<&Present>) -> Progress {
        let now = present.map_or_else(CompletionStats::default, |p| p.completer.stats());
        Progress {
            stats: CompletionStats {
                seconds: 0.0,
                ..self.before + now
            },
            dropped: self.dropped,
            waiting: self.waiting.len(),
        }
    }

    async fn finish(&mut self, present: Option<Present>) -> CompletionStats {
        while let Ok(end) = self.ends.try_recv() {
            self.take(end);
        }
        let Present { queue, completer } = present.unwrap_or_else(|| self.begin());
        for report in std::mem::take(&mut self.waiting) {
            if queue.send(report.completion).await.is_err() {
                tracing::error!("Cuebot's completer ended before its reports");
            }
        }
        drop(queue);
        self.before + completer.finish().await
    }
}

/// Resolves when another run has ended.
async fn more(present: Option<&Present>) {
    match present {
        Some(Present { completer, .. }) => {
            completer
                .completed_at_least(completer.completed() + 1)
                .await;
        }
        None => std::future::pending().await,
    }
}
