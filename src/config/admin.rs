//! The admin server, and how the program ends.
//!
//! Invariant: the admin server listens on the loopback address unless told otherwise, because looking
//! needs no login. Changing something needs the token, and without one nothing can be changed.

use std::net::SocketAddr;
use std::time::Duration;

use super::rules::{Form, Rule, duration, optional};
use super::secret::Secret;
use super::topic::topic;

topic! {
    /// The admin server.
    Admin in "admin" {
        /// Where metrics, health and status are served; port 0 takes any free port.
        addr: Option<SocketAddr> = Some("127.0.0.1:9090"), "CUE_ADMIN_ADDR", listen();
        /// Whoever has this token may change workers and the log filter of the running service; without it, nobody.
        token: Option<Secret> = None, "CUE_ADMIN_TOKEN", optional(token());
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

/// Characters of a token: enough that it cannot be guessed, and none that a header cannot carry.
const TOKEN: std::ops::RangeInclusive<usize> = 16..=256;

/// A text that is sent in a header and must not be guessed.
fn token() -> Rule<Secret> {
    let allowed = "16 to 256 visible ASCII characters without blanks, which are never shown";
    let mut rule = Rule::new(Form::Text, allowed, |text| {
        let fits = TOKEN.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Secret::new(text))
    });
    rule.mask = |_| "***".to_owned();
    rule
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::load;

    #[test]
    fn a_token_that_could_be_guessed_or_not_be_sent_is_refused_and_not_shown() {
        let long = "x".repeat(257);
        for bad in [
            "s3cret",
            "fifteen-letters",
            "sixteen letters.",
            "sechzehn-Zeichön",
            &long,
        ] {
            let environment = BTreeMap::from([("CUE_ADMIN_TOKEN".to_owned(), bad.to_owned())]);
            let faults = load(None, &environment, &[])
                .settings
                .unwrap_err()
                .to_string();
            assert!(faults.contains("CUE_ADMIN_TOKEN"), "{bad}: {faults}");
            assert!(
                faults.contains("16 to 256 visible ASCII characters"),
                "{faults}"
            );
            assert!(!faults.contains(bad), "{faults}");
        }
    }
}
