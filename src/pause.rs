//! The commands `pause` and `resume`: booking for everything, a facility or a show stops until a time, on all replicas.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::client::{ClientError, answered, get, put};
use crate::lifecycle::Exit;
use crate::output::{self, chain};
use crate::status::{PauseChange, PauseState};
use crate::words::age_of;

/// The work, the person and the reason of a pause or a resume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Scope {
    /// Only this show, in all facilities; without it and a facility, everything.
    #[arg(long, value_name = "NAME", conflicts_with = "facility")]
    show: Option<String>,
    /// Only this facility.
    #[arg(long, value_name = "NAME")]
    facility: Option<String>,
    /// Reason, for the log and for everybody who asks.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Name of the person; without it, the user of this shell.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// A pause to set, or the pauses to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct PauseQuery {
    /// The work.
    #[command(flatten)]
    scope: Scope,
    /// Time after which booking goes on by itself: 10 minutes, at most a day.
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = time)]
    time: Duration,
    /// List the pauses that hold, and change nothing.
    #[arg(long)]
    list: bool,
}

fn time(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

impl Scope {
    fn text(&self) -> String {
        match (&self.show, &self.facility) {
            (Some(show), _) => format!("show/{show}"),
            (None, Some(facility)) => format!("facility/{facility}"),
            (None, None) => "all".to_owned(),
        }
    }
}

/// A service, and the person who asks it with a token.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Address of the service.
    pub address: &'a str,
    /// The person, unless the command names somebody.
    pub user: &'a str,
    /// The token.
    pub token: Option<&'a str>,
}

/// Pauses, or lists the pauses.
///
/// # Errors
/// The answer cannot be written.
pub async fn pause(
    asked: Asked<'_>,
    query: &PauseQuery,
    out: &mut impl Write,
) -> std::io::Result<Exit> {
    let text = if query.list {
        list(asked.address).await
    } else {
        let scope = query.scope.text();
        let seconds = query.time.as_secs();
        let body = json!({
            "pause": scope, "for_seconds": seconds, "reason": query.scope.reason,
            "by": query.scope.by.as_deref().unwrap_or(asked.user),
        });
        let changed = change(asked, &body).await;
        changed.map(|change| lines(&change.pauses))
    };
    printed(text, out)
}

/// Resumes.
///
/// # Errors
/// The answer cannot be written.
pub async fn resume(
    asked: Asked<'_>,
    scope: &Scope,
    out: &mut impl Write,
) -> std::io::Result<Exit> {
    let text = scope.text();
    let body = json!({
        "resume": text, "reason": scope.reason, "by": scope.by.as_deref().unwrap_or(asked.user),
    });
    let changed = change(asked, &body).await.map(|change| {
        let pauses = lines(&change.pauses);
        if change.changed {
            format!("{text} is resumed\n{pauses}")
        } else {
            format!("{text} was not paused\n{pauses}")
        }
    });
    printed(changed, out)
}

async fn list(address: &str) -> Result<String, ClientError> {
    let answer = get(address, "/pauses").await?;
    Ok(lines(&answered::<Vec<PauseState>>(address, &answer)?))
}

async fn change(asked: Asked<'_>, body: &serde_json::Value) -> Result<PauseChange, ClientError> {
    let answer = put(asked.address, "/pauses", asked.token, &body.to_string()).await?;
    answered(asked.address, &answer)
}

fn printed(text: Result<String, ClientError>, out: &mut impl Write) -> std::io::Result<Exit> {
    match text {
        Ok(text) => output::answer(out, &text).map(|()| Exit::Clean),
        Err(error) => {
            output::complain(chain(&error));
            Ok(Exit::FailedStart)
        }
    }
}

fn lines(pauses: &[PauseState]) -> String {
    if pauses.is_empty() {
        return "nothing is paused\n".to_owned();
    }
    let lines = pauses.iter().map(|pause| {
        let PauseState {
            scope, by, reason, ..
        } = pause;
        let (since, left) = (age_of(pause.since_ms), age_of(pause.remaining_ms));
        format!("{scope} is paused by {by} since {since}, for {left} more: {reason}\n")
    });
    lines.collect()
}
