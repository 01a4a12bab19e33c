//! Messages to the service manager that started the program (systemd, with `Type=notify`).
//!
//! Invariants: without a service manager nothing is sent; a message that cannot be sent is logged and changes nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Announces that the pipeline books.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// Announces that the program drains.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Announces that the settings are read again, until the next [`ready`].
pub fn reloading() {
    let time = NotifyState::monotonic_usec_now();
    send(&[&[NotifyState::Reloading][..], time.ok().as_slice()].concat());
}

/// Announces that the pipeline makes progress.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// Time within which the service manager wants to hear that the pipeline makes progress, if it watches.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be notified");
    }
}
