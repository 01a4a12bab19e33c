//! A tick: a side loop that does its work again and again until the flow stops.
//!
//! Invariant: a tick that fails is logged and tried again, later each time, up to half a minute;
//! it never ends the program. When the flow stops, a tick in progress is dropped, so a drain does
//! not wait for side loops.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use crate::drain::Fate;
use crate::meters::StageMeters;
use crate::verdict::{BoxError, Chain, Panicked};

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// A side loop.
pub trait Tick: Send + Sync + 'static {
    /// The name in metrics and logs.
    const NAME: &'static str;

    /// Does the work once, and says how long to wait before the next time. When the flow stops the
    /// future is dropped at whatever it awaits.
    fn tick(&self) -> impl Future<Output = Result<Duration, BoxError>> + Send;
}

/// Runs a side loop until the flow stops.
pub(crate) async fn run<T: Tick>(tick: T, meters: Arc<StageMeters>, fate: Arc<Fate>) {
    meters.workers.set(1);
    let mut failures = 0;
    let looping = async {
        loop {
            let delay = match once(&tick, &meters).await {
                Ok(delay) => {
                    failures = 0;
                    delay
                }
                Err(error) => {
                    let delay = backoff(failures);
                    failures += 1;
                    warn(T::NAME, &error, failures, delay);
                    delay
                }
            };
            tokio::time::sleep(delay).await;
        }
    };
    // The loop has no end of its own, so there is nothing it could return.
    let _stopped: Option<std::convert::Infallible> = fate.stop.run_until_cancelled(looping).await;
}

async fn once<T: Tick>(tick: &T, meters: &StageMeters) -> Result<Duration, BoxError> {
    let began = Instant::now();
    let _busy = Busy::start(meters);
    let outcome = AssertUnwindSafe(tick.tick()).catch_unwind().await;
    meters.run.observe(began.elapsed().as_secs_f64());
    match outcome {
        Ok(Ok(delay)) => {
            meters.done.inc();
            Ok(delay)
        }
        Ok(Err(error)) => {
            meters.retry.inc();
            Err(error)
        }
        Err(payload) => {
            meters.panic.inc();
            Err(Panicked::from_payload(payload.as_ref()).into())
        }
    }
}

fn warn(tick: &'static str, error: &BoxError, failures: u32, delay: Duration) {
    let error = Chain::of(error);
    let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(
        stage = tick,
        failures,
        delay_ms,
        error = %error,
        "{tick} failed and is tried again in {delay:?}: {error}"
    );
}

/// How long to wait after this many failures in a row before the one that has just happened.
fn backoff(failures: u32) -> Duration {
    FIRST_DELAY
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_DELAY)
}

struct Busy<'a>(&'a StageMeters);

impl<'a> Busy<'a> {
    fn start(meters: &'a StageMeters) -> Self {
        meters.busy.set(1);
        Self(meters)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_half_a_minute() {
        let delays: Vec<u128> = [0, 1, 2, 6, 7, 40].map(|n| backoff(n).as_millis()).to_vec();
        assert_eq!(delays, [250, 500, 1_000, 16_000, 30_000, 30_000]);
    }
}
