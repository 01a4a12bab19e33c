//! Bounds of the launch calls under way, and the hosts that a batch still waits for.
//!
//! A call that is not answered soon gives its place to another one: a host that hangs, or a whole rack,
//! takes no capacity from hosts that answer. Slow calls have a bound of their own; when it is reached,
//! they keep their places, and launching slows down.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Time after which a call that is not answered counts as slow.
const SLOW_AFTER: Duration = Duration::from_millis(250);

/// The places of launch calls.
#[derive(Debug)]
pub(crate) struct LaunchCalls {
    young: Semaphore,
    slow: Semaphore,
}

/// A place for one call.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    calls: &'a LaunchCalls,
    /// The semaphore is never closed, so this is always there.
    permit: Option<SemaphorePermit<'a>>,
}

impl LaunchCalls {
    /// Places for this many calls that are answered soon, and for this many slow ones.
    pub(crate) fn new(young: usize, slow: usize) -> Self {
        let places = |n: usize| Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            young: places(young),
            slow: places(slow),
        }
    }

    /// Waits for a place.
    pub(crate) async fn place(&self) -> Place<'_> {
        Place {
            calls: self,
            permit: self.young.acquire().await.ok(),
        }
    }
}

impl Place<'_> {
    /// Waits for the answer to a call on this place. When it is slow, the place is freed, and the batch no
    /// longer waits for `host`.
    pub(crate) async fn hold_for<F: Future>(self, call: F, host: &AwaitedHost<'_>) -> F::Output {
        let mut call = std::pin::pin!(call);
        let Self { calls, permit } = self;
        if let Ok(answer) = tokio::time::timeout(SLOW_AFTER, &mut call).await {
            return answer;
        }
        // Bound here, the slow place is kept until the answer.
        let slow = calls.slow.try_acquire();
        let kept = permit.filter(|_| slow.is_err());
        if kept.is_none() {
            host.is_slow();
        }
        let answer = call.await;
        drop((slow, kept));
        answer
    }
}

/// The hosts of a batch that it waits for: neither done nor slow.
#[derive(Debug, Default)]
pub(crate) struct AwaitedHosts {
    awaited: AtomicUsize,
    none: Notify,
}

/// A host of a batch. Once dropped, it is done.
#[derive(Debug)]
pub(crate) struct AwaitedHost<'a> {
    hosts: &'a AwaitedHosts,
    awaited: AtomicBool,
}

impl AwaitedHosts {
    /// One more host to wait for.
    pub(crate) fn await_host(&self) -> AwaitedHost<'_> {
        self.awaited.fetch_add(1, Ordering::SeqCst);
        AwaitedHost {
            hosts: self,
            awaited: AtomicBool::new(true),
        }
    }

    /// Resolves when no host is waited for.
    pub(crate) async fn none(&self) {
        loop {
            // Registered before the look, so that the last host cannot be missed.
            let none = self.none.notified();
            if self.awaited.load(Ordering::SeqCst) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl AwaitedHost<'_> {
    /// The batch does not wait for this host any longer.
    pub(crate) fn is_slow(&self) {
        if self.awaited.swap(false, Ordering::SeqCst)
            && self.hosts.awaited.fetch_sub(1, Ordering::SeqCst) == 1
        {
            self.hosts.none.notify_one();
        }
    }
}

impl Drop for AwaitedHost<'_> {
    fn drop(&mut self) {
        self.is_slow();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_frees_its_place_and_its_batch_until_too_many_are_slow() {
        let calls = LaunchCalls::new(1, 1);
        let hosts = AwaitedHosts::default();
        let host = hosts.await_host();
        let mut hung = Box::pin(async {
            let place = calls.place().await;
            place.hold_for(pending::<()>(), &host).await;
        });
        assert!(hung.as_mut().now_or_never().is_none());
        assert!(calls.place().now_or_never().is_none(), "it is taken");
        assert!(hosts.none().now_or_never().is_none(), "it is waited for");
        tokio::time::advance(SLOW_AFTER).await;
        assert!(hung.as_mut().now_or_never().is_none());
        assert!(hosts.none().now_or_never().is_some());

        let other = hosts.await_host();
        let mut next = Box::pin(async {
            let place = calls.place().await;
            place.hold_for(pending::<()>(), &other).await;
        });
        assert!(next.as_mut().now_or_never().is_none(), "it has the place");
        tokio::time::advance(SLOW_AFTER).await;
        assert!(next.as_mut().now_or_never().is_none());
        assert!(calls.place().now_or_never().is_none(), "slow ones fill up");
        assert!(hosts.none().now_or_never().is_none());
        drop(hung);
        drop(next);
        assert!(calls.place().now_or_never().is_some());
        drop(other);
        assert!(hosts.none().now_or_never().is_some());
    }

    #[tokio::test]
    async fn an_answer_comes_through() {
        let (calls, hosts) = (LaunchCalls::new(1, 0), AwaitedHosts::default());
        let host = hosts.await_host();
        let answer = calls.place().await.hold_for(async { 7 }, &host).await;
        assert_eq!(answer, 7);
        assert!(hosts.none().now_or_never().is_none(), "it was not slow");
    }
}
