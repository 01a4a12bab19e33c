//! Settings of the admin server, and of the time that a shutdown may take.
//!
//! Invariant: the admin server listens on the loopback address by default, because looking needs no
//! login. Changing something needs the token, and without one nothing can be changed.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::rules::{Form, Rule, duration, elements, optional};
use super::topic::topic;

topic! {
    /// The admin server.
    Admin in "admin" {
        /// Address at which metrics, health and status are served; port 0 takes any free port.
        addr: Option<SocketAddr> = Some("127.0.0.1:9090"), "CUE_ADMIN_ADDR", listen();
        /// Names under which the page, its answers and changes can be reached, other than `localhost` and any IP address; a request for another name is refused, so that no page of the web can look in. `/healthz`, `/readyz` and `/metrics` answer under any name.
        hosts: Vec<String> = Some(""), "CUE_ADMIN_HOSTS", host_names();
        /// Token that permits to change workers and the log filter of the running service; without one, nobody may.
        token: Option<SecretString> = None, "CUE_ADMIN_TOKEN", optional(token());
    }
}

topic! {
    /// End of the program.
    Lifecycle in "lifecycle" {
        /// Time for which work that has begun may go on after the first signal to stop.
        shutdown_grace: Duration = Some("30s"), "CUE_SHUTDOWN_GRACE",
            duration(Duration::from_millis(100)..=Duration::from_secs(3600));
    }
}

/// Characters of a token: enough that it cannot be guessed, and none that a header cannot carry.
const TOKEN: std::ops::RangeInclusive<usize> = 16..=256;

/// A text that is sent in a header and must not be guessed.
fn token() -> Rule<SecretString> {
    let allowed = "16 to 256 visible ASCII characters without blanks, which are never shown";
    let rule = Rule::new(Form::Text, allowed, |text| {
        let fits = TOKEN.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| SecretString::from(text))
    });
    rule.secret(|_| "***".to_owned())
}

/// Names of this server as they stand in a request, without a port.
fn host_names() -> Rule<Vec<String>> {
    let allowed =
        "host names separated by commas, each without scheme, port and `*`, such as `farm.example`";
    Rule::new(Form::List, allowed, |text| {
        elements(text).map(host_name).collect()
    })
}

/// A name in lower case, without the dot that ends a whole one.
fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let sign = |sign: char| sign.is_ascii_alphanumeric() || sign == '-' || sign == '_';
        (1..=63).contains(&label.len()) && label.chars().all(sign)
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

fn listen() -> Rule<Option<SocketAddr>> {
    let allowed = "an IP address with a port, such as `127.0.0.1:9090`";
    Rule::new(Form::Text, allowed, |text| text.parse().ok()).or_none("off", "`off`")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::load;

    fn hosts(text: &str) -> Result<Vec<String>, String> {
        let environment = BTreeMap::from([
            ("CUE_DATABASE_URL".to_owned(), "postgres://h/d".to_owned()),
            ("CUE_ADMIN_HOSTS".to_owned(), text.to_owned()),
        ]);
        let settings = load(None, &environment, &[]).settings;
        settings
            .map(|settings| settings.admin.hosts)
            .map_err(|faults| faults.to_string())
    }

    #[test]
    fn names_are_plain_and_nothing_is_a_pattern() {
        let names = hosts("Farm.Example., cue-scheduler,cue_2.svc").unwrap();
        assert_eq!(names, ["farm.example", "cue-scheduler", "cue_2.svc"]);
        assert!(hosts("").unwrap().is_empty());
        for bad in [
            "*",
            "*.example",
            "farm:9090",
            "http://farm",
            "[::1]",
            "a b",
            "a..b",
            "fârm",
            ".",
        ] {
            let faults = hosts(&format!("good,{bad}")).unwrap_err();
            assert!(faults.contains("CUE_ADMIN_HOSTS"), "{bad}: {faults}");
            assert!(
                faults.contains("each without scheme, port and `*`"),
                "{faults}"
            );
        }
    }

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
