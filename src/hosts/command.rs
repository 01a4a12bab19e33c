//! The command `hosts`: the hosts of a running service as a table, one host in detail, and the end of its backoff.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::HostFilter;
use super::text::{detail, table};
use crate::client::{ClientError, answered, encoded, get, put};
use crate::lifecycle::Exit;
use crate::output::{self, chain};
use crate::status::{Forgiven, HostState};

/// Hosts that are asked for, and the change to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct HostsQuery {
    /// Host to show with what runs on it; without it, a list.
    name: Option<String>,
    /// Only hosts with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Only hosts of this allocation.
    #[arg(long)]
    allocation: Option<String>,
    /// Only hosts in this state: down, locked, silent, lent, backing_off, reserved, full, in_use or idle.
    #[arg(long, value_parser = state)]
    state: Option<HostState>,
    /// Hosts to list, at most.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// End the backoff of the host on this replica; needs the token of the service (CUE_ADMIN_TOKEN).
    #[arg(long, requires = "name", requires = "reason")]
    forgive: bool,
    /// Reason for the change, for the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Name of the person who makes the change; without it, the user of this shell.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

fn state(text: &str) -> Result<HostState, String> {
    let mut states = HostState::ALL.into_iter();
    states.find(|state| state.code() == text).ok_or_else(|| {
        let codes = HostState::ALL.map(HostState::code);
        format!("it is one of {}", codes.join(", "))
    })
}

/// Asks the service at `address` and prints its answer. `user` is who makes a change unless the query names somebody,
/// with this token.
///
/// # Errors
/// The answer cannot be written.
pub async fn show(
    address: &str,
    query: &HostsQuery,
    (user, token): (&str, Option<&str>),
    out: &mut impl Write,
) -> std::io::Result<Exit> {
    let text = match (&query.name, query.forgive) {
        (Some(name), true) => forgive(address, name, query, (user, token)).await,
        (Some(name), false) => one(address, name, query.json).await,
        (None, _) => list(address, query).await,
    };
    match text {
        Ok(text) => output::answer(out, &text).map(|()| Exit::Clean),
        Err(error) => {
            output::complain(chain(&error));
            Ok(Exit::FailedStart)
        }
    }
}

async fn list(address: &str, query: &HostsQuery) -> Result<String, ClientError> {
    let filter = HostFilter {
        tag: query.tag.clone(),
        allocation: query.allocation.clone(),
        state: query.state,
        limit: query.limit,
        ..HostFilter::default()
    };
    let answer = get(address, &filter.path("/hosts")).await?;
    if query.json {
        return answered::<Value>(address, &answer).map(|_| answer.body + "\n");
    }
    Ok(table(&answered(address, &answer)?))
}

async fn one(address: &str, name: &str, as_json: bool) -> Result<String, ClientError> {
    let answer = get(address, &format!("/hosts/{}", encoded(name))).await?;
    if as_json {
        return answered::<Value>(address, &answer).map(|_| answer.body + "\n");
    }
    Ok(detail(&answered(address, &answer)?))
}

async fn forgive(
    address: &str,
    name: &str,
    query: &HostsQuery,
    (user, token): (&str, Option<&str>),
) -> Result<String, ClientError> {
    let by = query.by.as_deref().unwrap_or(user);
    let body = json!({ "forgive": true, "by": by, "reason": query.reason });
    let path = format!("/hosts/{}", encoded(name));
    let answer = put(address, &path, token, &body.to_string()).await?;
    let Forgiven { host, forgiven } = answered(address, &answer)?;
    Ok(if forgiven {
        format!("{host} is forgiven on this replica and is tried again at once\n")
    } else {
        format!("{host} did not back off on this replica\n")
    })
}
