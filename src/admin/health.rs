//! Whether the program is ready: a list of probes, each with a name.
//!
//! Invariant: every probe is given the same short time, and all run at once, so `/readyz` answers
//! in that time whatever hangs behind a probe.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt as _, future};
use tokio::sync::Mutex;

/// How long a probe may take.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// One thing that must be well for the program to be ready.
#[derive(Clone)]
pub struct Probe {
    name: &'static str,
    check: Check,
}

impl Probe {
    /// A probe that says in one sentence what is not well.
    pub fn new<F, R>(name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            name,
            check: Arc::new(move || check().boxed()),
        }
    }
}

/// A probe that is asked once for all who ask at a time.
///
/// Whoever comes while it is being asked waits, and takes the answer if that came after it did. So
/// however many ask, one question is under way.
pub fn asked_once<F, R>(name: &'static str, check: F) -> Probe
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), String>> + Send + 'static,
{
    type Answer = Option<(Instant, Result<(), String>)>;
    let (last, check) = (Arc::new(Mutex::new(Answer::None)), Arc::new(check));
    Probe::new(name, move || {
        let (last, check) = (Arc::clone(&last), Arc::clone(&check));
        let came = Instant::now();
        async move {
            let mut last = last.lock().await;
            if let Some((answered, answer)) = &*last
                && *answered >= came
            {
                return answer.clone();
            }
            let answer = check().await;
            *last = Some((Instant::now(), answer.clone()));
            answer
        }
    })
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probe").field(&self.name).finish()
    }
}

/// What is not well.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct NotReady {
    name: &'static str,
    reason: String,
}

/// Everything that is not well; nothing if the program is ready.
pub(super) async fn ask(probes: &[Probe], limit: Duration) -> Vec<NotReady> {
    let answers = probes.iter().map(|probe| async {
        let answer = match tokio::time::timeout(limit, (probe.check)()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!(
                "no answer within {}",
                humantime::format_duration(limit)
            )),
        };
        answer.err().map(|reason| NotReady {
            name: probe.name,
            reason,
        })
    });
    future::join_all(answers)
        .await
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_probe_that_hangs_is_not_ready_and_hides_no_other() {
        let probes = [
            Probe::new("hangs", future::pending),
            Probe::new("well", || async { Ok(()) }),
            Probe::new("ill", || async { Err("it is broken".to_owned()) }),
        ];
        let found = ask(&probes, Duration::from_millis(20)).await;
        let names: Vec<_> = found.iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["hangs", "ill"]);
        assert_eq!(found[0].reason, "no answer within 20ms");
        assert_eq!(found[1].reason, "it is broken");
    }

    #[tokio::test]
    async fn many_who_ask_at_a_time_ask_once_or_twice_and_the_next_one_asks_again() {
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let probe = asked_once("database", {
            let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
            move || {
                let n = asked.fetch_add(1, Ordering::SeqCst);
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire()
                        .await
                        .map(drop)
                        .map_err(|_| "shut".to_owned())?;
                    Err(format!("answer {n}"))
                }
            }
        });
        let crowd = future::join_all((0..50).map(|_| (probe.check)()));
        let open = async {
            tokio::task::yield_now().await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "the others wait");
            gate.add_permits(1);
        };
        let (answers, ()) = future::join(crowd, open).await;
        assert!(
            answers
                .iter()
                .all(|answer| *answer == Err("answer 0".to_owned()))
        );
        assert_eq!((probe.check)().await, Err("answer 1".to_owned()));
    }
}
