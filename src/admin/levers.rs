//! Requests of changes: their callers, and of levers those who pull them and why.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use cue_domain::{NoScope, Pause, PauseScope};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connections::Peer;
use super::controls::{Caller, ChangeError};

/// Address and headers of a request.
pub(super) type Head = (ConnectInfo<Peer>, HeaderMap);

/// Length of a pause without `for_seconds`.
const USUAL_PAUSE: Duration = Duration::from_secs(600);

/// The caller of a request.
pub(super) fn caller((ConnectInfo(Peer(peer)), headers): &Head) -> Caller<'_> {
    let peer = *peer;
    Caller { headers, peer }
}

/// A request that names who makes it, and why.
pub(super) trait Lever: DeserializeOwned {
    /// An example of the request.
    const WANTED: &'static str;

    /// The person and the reason.
    fn signature(&self) -> (&str, &str);

    /// A fault of the other parts.
    fn fault(&self) -> Option<String> {
        None
    }
}

/// A request to forgive a host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forgive {
    forgive: bool,
    pub(super) by: String,
    pub(super) reason: String,
}

impl Lever for Forgive {
    const WANTED: &'static str = r#"{"forgive": true, "by": "NAME", "reason": "..."}"#;

    fn signature(&self) -> (&str, &str) {
        (&self.by, &self.reason)
    }

    fn fault(&self) -> Option<String> {
        let fault = "a host can only be forgiven, its backoff comes from its failures";
        (!self.forgive).then(|| fault.to_owned())
    }
}

/// A request to pause booking or to resume it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePause {
    pause: Option<String>,
    resume: Option<String>,
    for_seconds: Option<u64>,
    pub(super) by: String,
    pub(super) reason: String,
}

/// A change of pauses.
#[derive(Debug)]
pub(super) enum PauseOrder {
    /// Pause a scope for this time.
    Pause(PauseScope, Duration),
    /// Resume a scope.
    Resume(PauseScope),
}

impl PauseOrder {
    /// Its scope.
    pub(super) const fn scope(&self) -> &PauseScope {
        match self {
            Self::Pause(scope, _) | Self::Resume(scope) => scope,
        }
    }
}

impl ChangePause {
    /// The change that it asks for.
    pub(super) fn order(&self) -> Result<PauseOrder, String> {
        let scope = |text: &str| text.parse().map_err(|error: NoScope| error.to_string());
        match (&self.pause, &self.resume, self.for_seconds) {
            (Some(pause), None, time) => {
                let time = time.map_or(USUAL_PAUSE, Duration::from_secs);
                if time.is_zero() || time > Pause::LONGEST {
                    let longest = Pause::LONGEST.as_secs();
                    return Err(format!("`for_seconds` is from 1 to {longest}"));
                }
                Ok(PauseOrder::Pause(scope(pause)?, time))
            }
            (None, Some(resume), None) => Ok(PauseOrder::Resume(scope(resume)?)),
            _ => Err("name one scope, to pause or to resume".to_owned()),
        }
    }
}

impl Lever for ChangePause {
    const WANTED: &'static str =
        r#"{"pause": "all", "for_seconds": 600, "by": "NAME", "reason": "..."} or {"resume": ...}"#;

    fn signature(&self) -> (&str, &str) {
        (&self.by, &self.reason)
    }

    fn fault(&self) -> Option<String> {
        self.order().err()
    }
}

/// Reads a request, and refuses one without a person or a reason.
pub(super) fn read<L: Lever>(body: &Bytes) -> Result<L, ChangeError> {
    let bad = |found: String| ChangeError::BadBody {
        wanted: L::WANTED,
        found,
    };
    let lever: L = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let (by, reason) = lever.signature();
    let bounded = [
        ("by", by, Pause::LONGEST_NAME),
        ("reason", reason, Pause::LONGEST_REASON),
    ];
    for (name, text, longest) in bounded {
        let is_blank = text.trim().is_empty() || text.chars().any(char::is_control);
        if is_blank || text.chars().count() > longest {
            let fault = format!("`{name}` is a line of 1 to {longest} characters");
            return Err(bad(fault));
        }
    }
    match lever.fault() {
        Some(fault) => Err(bad(fault)),
        None => Ok(lever),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(body: &str) -> Result<PauseOrder, ChangeError> {
        let wanted: ChangePause = read(&Bytes::from(body.to_owned()))?;
        Ok(wanted.order().unwrap())
    }

    #[test]
    fn a_pause_has_a_scope_an_end_a_person_and_a_reason() {
        let signed = r#""by":"ann","reason":"the filers are full""#;
        let pause = order(&format!(r#"{{"pause":"show/alpha",{signed}}}"#)).unwrap();
        let PauseOrder::Pause(scope, time) = pause else {
            panic!("{pause:?}");
        };
        assert_eq!(
            (scope.to_string().as_str(), time),
            ("show/alpha", USUAL_PAUSE)
        );
        for (bad, part) in [
            (format!(r#"{{"pause":"alpha",{signed}}}"#), "show/NAME"),
            (
                format!(r#"{{"pause":"all","for_seconds":0,{signed}}}"#),
                "for_seconds",
            ),
            (
                format!(r#"{{"pause":"all","for_seconds":86401,{signed}}}"#),
                "for_seconds",
            ),
            (
                format!(r#"{{"pause":"all","resume":"all",{signed}}}"#),
                "one scope",
            ),
            (format!("{{{signed}}}"), "one scope"),
            (r#"{"pause":"all","by":"ann"}"#.to_owned(), "reason"),
            (
                r#"{"pause":"all","by":" ","reason":"x"}"#.to_owned(),
                "`by`",
            ),
            (
                r#"{"pause":"all","by":"a\nb","reason":"x"}"#.to_owned(),
                "`by`",
            ),
        ] {
            let error = order(&bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
