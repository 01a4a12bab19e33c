//! Accounts that heal themselves: the loop that keeps the five accounting tables right.
//!
//! Bookings and undos change the tables in their own transactions. Who lowers them when a frame ends
//! differs between Cuebots (OPENCUE.md, Counters), and redirects, moves of jobs and crashes make
//! them drift on all of them. So one replica compares every counter of managed shows with the procs,
//! and sets what differs. Where Cuebot lowers the counters by itself the loop finds nothing.
//!
//! A difference is looked at twice before anything is written: the second look takes the lock of the
//! row and counts in a snapshot of its own, so what is written is exact at that moment. Releases that
//! Cuebot reports are counted at once, in the same way.
//!
//! Invariant: nothing is held between two statements but the memory of what to look at next, and
//! losing that costs one period.

mod metrics;
mod schedule;
mod status;
mod wave;

use std::time::{Duration, Instant};

use cue_flow::{BoxError, Chain, Tick};
use cue_store::{AccountsSession, Compared, CounterKeys, Drift, Heard, Look, Store, StoreError};
use tokio::sync::Mutex;

use crate::outage::postpone;
use metrics::FoundBy;
use schedule::Schedule;
use wave::Wave;

pub use metrics::AccountsMetrics;
pub use status::{AccountsReading, AccountsState};

/// Time in which messages gather before their counters are healed.
const GATHER: Duration = Duration::from_millis(100);

/// Time between two looks at the clock and the messages of a replica that does not lead.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Time until the next try after the session was lost.
const RECONNECT: Duration = Duration::from_secs(1);

/// Messages taken at a time.
const MOST_MESSAGES: usize = 5_000;

/// Differences read at a time. Their rows fit into the buffers of a connection, so the server is
/// done with the comparison even when the process that asked for it hangs.
const MOST_DIFFERENCES: usize = 1_000;

/// Time between two healings as a multiple of what the last one took: the rows are the hottest of
/// the farm, and most of the time belongs to bookings and releases.
const REST_SHARE: u32 = 4;

/// Time after a release for which corrections count as found by releases: this Cuebot leaves its
/// releases to the scheduler, and a comparison may see one before its message is heard.
const RELEASES_LAST: Duration = Duration::from_secs(60);

/// The loop of the accounts. Every replica runs it, and one of them leads.
pub struct Accounts {
    store: Store,
    /// Name of this replica in announcements.
    replica: String,
    metrics: AccountsMetrics,
    state: AccountsState,
    memory: Mutex<Memory>,
}

/// Memory of the loop from one tick to the next.
struct Memory {
    session: Option<AccountsSession>,
    schedule: Schedule,
    /// Differences of the last comparison, and the moment of the second look at them.
    suspects: Option<(Instant, Drift)>,
    last_release: Option<Instant>,
    wave: Wave,
    /// True once an unreadable message has been reported; the next ones are no news.
    complained: bool,
}

impl Memory {
    /// Forgets what went with the session.
    fn lose_session(&mut self, now: Instant) {
        self.session = None;
        self.suspects = None;
        self.schedule = Schedule::new(now);
    }

    /// Source of corrections made now.
    fn found_by(&self, now: Instant) -> FoundBy {
        let is_recent = |last: Instant| now.saturating_duration_since(last) < RELEASES_LAST;
        if self.last_release.is_some_and(is_recent) {
            FoundBy::Release
        } else {
            FoundBy::Comparison
        }
    }
}

impl Accounts {
    /// A loop for `store`, announced as `replica`.
    pub fn new(store: Store, replica: String, metrics: AccountsMetrics) -> Self {
        metrics.begin();
        let memory = Memory {
            session: None,
            schedule: Schedule::new(Instant::now()),
            suspects: None,
            last_release: None,
            wave: Wave::default(),
            complained: false,
        };
        Self {
            store,
            replica,
            metrics,
            state: AccountsState::default(),
            memory: Mutex::new(memory),
        }
    }

    /// Shares the state of the accounts.
    pub fn state(&self) -> AccountsState {
        self.state.clone()
    }

    /// Hears what has arrived, then heals and compares what is due. Returns the time until the next
    /// pass.
    async fn pass(&self, memory: &mut Memory) -> Result<Duration, StoreError> {
        let mut session = match memory.session.take() {
            Some(session) => session,
            None => self.store.accounts_session().await?,
        };
        let heard = session.heard(MOST_MESSAGES).await?;
        let mut keys = self.hear(memory, heard);
        let began = Instant::now();
        let mut drift = Drift::default();
        if memory
            .suspects
            .as_ref()
            .is_some_and(|(due, _)| *due <= began)
            && let Some((_, found)) = memory.suspects.take()
        {
            keys.extend(found.keys.clone());
            drift = found;
        }
        self.heal(memory, &mut session, keys, &drift).await?;
        let healing = began.elapsed();
        if memory.schedule.is_due(Instant::now()) {
            self.compare(memory, &mut session).await?;
        }
        memory.session = Some(session);
        let leads = memory.schedule.leads();
        self.leads(leads);
        Ok(if leads || memory.suspects.is_some() {
            GATHER.max(healing * REST_SHARE)
        } else {
            FOLLOW_EVERY
        })
    }

    /// Shows whether this replica leads.
    fn leads(&self, leads: bool) {
        self.metrics.leads.set(i64::from(leads));
        if !leads {
            self.metrics.differing.set(0);
            self.state.follows();
        }
    }

    /// Takes in what was heard, and returns the counters of releases if this replica leads.
    fn hear(&self, memory: &mut Memory, heard: Heard) -> CounterKeys {
        let now = Instant::now();
        if let Some(heard) = &heard.look {
            if heard.own {
                memory.schedule.lead(now);
            } else {
                let period = Duration::from_millis(heard.look.period_ms);
                memory.schedule.follow(now, period);
            }
            self.metrics.checked();
            self.state.checked(&heard.look.replica, heard.own);
        }
        if heard.releases > 0 {
            memory.last_release = Some(now);
        }
        if !memory.schedule.leads() {
            return CounterKeys::default();
        }
        self.metrics.releases.inc_by(heard.releases);
        if let Some(message) = heard.unreadable {
            memory.schedule.hurry(now);
            if !memory.complained {
                tracing::warn!(
                    message,
                    "a message about a release cannot be read; all counters are compared instead, now and whenever this happens again"
                );
                memory.complained = true;
            }
        }
        heard.keys
    }

    /// Sets counters to the sums of their procs where they still differ.
    async fn heal(
        &self,
        memory: &mut Memory,
        session: &mut AccountsSession,
        keys: CounterKeys,
        drift: &Drift,
    ) -> Result<(), StoreError> {
        let mut corrected = cue_store::Corrected::default();
        if !keys.is_empty() {
            let healed = session.heal(keys).await?;
            if let Some(error) = healed.skipped {
                tracing::debug!(error = %Chain(&error), "some counters could not be healed, retrying after the next comparison");
            }
            corrected = healed.corrected;
        }
        let now = Instant::now();
        let found = memory.found_by(now);
        self.metrics.corrected(&corrected, found);
        self.state.corrected(corrected.sum());
        let unexpected = match found {
            FoundBy::Release => 0,
            FoundBy::Comparison => corrected.sum(),
        };
        if let Some(news) = memory.wave.record(now, unexpected) {
            wave::log(&news, &corrected, drift);
        }
        Ok(())
    }

    /// Compares all counters with their procs, and remembers what differs for a second look.
    async fn compare(
        &self,
        memory: &mut Memory,
        session: &mut AccountsSession,
    ) -> Result<(), StoreError> {
        let began = Instant::now();
        let period = memory.schedule.period();
        let look = Look {
            replica: self.replica.clone(),
            period_ms: u64::try_from(period.as_millis()).unwrap_or(u64::MAX),
        };
        let compared = session.compare(&look, MOST_DIFFERENCES).await?;
        let now = Instant::now();
        let Compared::Done(drift) = compared else {
            memory.schedule.busy(now);
            return Ok(());
        };
        let cost = now.saturating_duration_since(began);
        let differing = drift.keys.len();
        let confirm = memory.schedule.compared(now, cost, differing > 0);
        self.metrics.compare_seconds.observe(cost.as_secs_f64());
        let count = i64::try_from(differing).unwrap_or(i64::MAX);
        self.metrics.differing.set(count);
        self.metrics.checked();
        self.state.checked(&self.replica, true);
        self.state.differing(differing as u64);
        memory.suspects = confirm.map(|at| (at, drift));
        Ok(())
    }
}

impl Tick for Accounts {
    const NAME: &'static str = "accounts";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let mut memory = self.memory.lock().await;
        match self.pass(&mut memory).await {
            Ok(next) => Ok(next),
            Err(error) => {
                memory.lose_session(Instant::now());
                self.leads(false);
                Ok(postpone(Err(error)).map(|()| RECONNECT)?)
            }
        }
    }
}
