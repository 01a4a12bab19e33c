//! Waiting in tests: for a signal, or for something that has none, and never for ever.

use std::time::Duration;

/// Longest wait of a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at something that has no signal.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for a signal.
///
/// # Panics
/// The signal did not come in [`PATIENCE`]; the message says what was waited for.
#[expect(clippy::panic, reason = "a test whose wait never ends has failed")]
pub async fn within<T>(what: &str, signal: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, signal).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Waits until something that has no signal of its own is so.
///
/// # Panics
/// It was not so in [`PATIENCE`].
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}
