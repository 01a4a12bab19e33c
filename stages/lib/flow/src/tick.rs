//! A tick: a side loop that repeats its work until the flow stops.
//!
//! Invariant: a tick that fails is logged and retried after a delay that doubles up to two seconds; it never ends the
//! program. When the flow stops, a tick in progress is dropped, so a drain does not wait for side loops.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use crate::context::StageContext;
use crate::verdict::{BoxError, Chain, Panicked};

const FIRST_DELAY: Duration = Duration::from_millis(250);

/// Short, so that booking resumes soon after the cause of a failure is gone.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// A side loop.
pub trait Tick: Send + Sync + 'static {
    /// Name in metrics and logs.
    const NAME: &'static str;

    /// Does the work once. Returns the pause before the next time. When the flow stops, the future is dropped at
    /// its current await.
    fn tick(&self) -> impl Future<Output = Result<Duration, BoxError>> + Send;
}

/// Runs a side loop until the flow stops.
pub(crate) async fn run<T: Tick>(tick: T, context: Arc<StageContext>) {
    let mut failures = 0;
    let looping = async {
        loop {
            let delay = match once(&tick, &context).await {
                Ok(delay) => {
                    failures = 0;
                    delay
                }
                Err(error) => {
                    let delay = backoff(failures);
                    failures = u32::saturating_add(failures, 1);
                    // Each doubling: a cause that stays for hours is logged a few times.
                    if failures.is_power_of_two() {
                        warn(T::NAME, &error, failures, delay);
                    }
                    delay
                }
            };
            tokio::time::sleep(delay).await;
        }
    };
    // The loop has no end of its own, so it returns nothing.
    let stop = &context.shutdown.stop;
    let _stopped: Option<Infallible> = stop.run_until_cancelled(looping).await;
}

async fn once<T: Tick>(tick: &T, context: &StageContext) -> Result<Duration, BoxError> {
    let meters = &context.meters;
    let mut worker = context.pool.permit().await;
    worker.work();
    let began = Instant::now();
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
        "{tick} failed and is retried in {delay:?}: {error}"
    );
}

/// Delay after a failure that follows this many others in a row.
fn backoff(failures: u32) -> Duration {
    FIRST_DELAY
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_two_seconds() {
        let delays: Vec<u128> = [0, 1, 2, 3, 4, 40].map(|n| backoff(n).as_millis()).to_vec();
        assert_eq!(delays, [250, 500, 1_000, 2_000, 2_000, 2_000]);
    }
}
