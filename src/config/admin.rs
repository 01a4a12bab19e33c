//! The admin server, and how the program ends.
//!
//! Invariant: the admin server listens on the loopback address unless told otherwise, because looking
//! needs no login. Changing something needs the token, and without one nothing can be changed.

use std::net::SocketAddr;
use std::time::Duration;

use super::rules::{Form, Rule, duration, optional, secret};
use super::secret::Secret;
use super::topic::topic;

topic! {
    /// The admin server.
    Admin in "admin" {
        /// Where metrics, health and status are served; port 0 takes any free port.
        addr: Option<SocketAddr> = Some("127.0.0.1:9090"), "CUE_ADMIN_ADDR", listen();
        /// Whoever has this token may change workers and the log filter of the running service; without it, nobody.
        token: Option<Secret> = None, "CUE_ADMIN_TOKEN", optional(secret());
    }
}

topic! {
    /// How the program ends.
    Lifecycle in "lifecycle" {
        /// How long work that has begun may go on after the first signal to stop.
        shutdown_grace: Duration = Some("30s"), "CUE_SHUTDOWN_GRACE",
            duration(Duration::from_millis(100)..=Duration::from_secs(3600));
    }
}

fn listen() -> Rule<Option<SocketAddr>> {
    let allowed = "an IP address with a port, such as `127.0.0.1:9090`, or `off`";
    Rule::new(Form::Text, allowed, |text| {
        if text == "off" {
            return Some(None);
        }
        text.parse().ok().map(Some)
    })
}
