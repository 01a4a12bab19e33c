//! `cue-scheduler why` and `/why/NAME`: the first rule that keeps a job, a layer or a frame from
//! running, as a sentence.
//!
//! It reads the database anew for each question, hosts included, so the answer is about what is and
//! not about what some replica believes. What only this replica knows (its settings, layers and hosts
//! that rest after failed launches) is added to that. Invariant: one question is answered at a time,
//! so curiosity costs the database one connection at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_dispatch::Refusals;
use cue_domain::fit::FitRules;
use cue_domain::resting::Resting;
use cue_domain::why::{Answer, Facts, Here, Why, why};
use cue_domain::{LayerId, Tag};
use cue_hosts::HostIndex;
use cue_store::{Store, StoreError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;

use crate::config::Settings;
use crate::lifecycle::Exit;
use crate::service::chain;
use crate::top::{self, ClientError};
use crate::wiring;
use crate::words;

/// Ledgers that may be to blame are looked for among so many that are wrong.
const LEDGER_FAULTS: usize = 1_000;

/// What a pipeline that runs has seen.
#[derive(Clone)]
pub struct Seen {
    /// The layers whose launch was refused for good.
    pub layers: Arc<Resting<LayerId>>,
    /// The hosts, of which some rest after failed launches.
    pub hosts: HostIndex,
    /// Launches that hosts refused.
    pub refusals: Refusals,
}

/// Answers questions. Cloning shares it.
#[derive(Clone)]
pub struct Oracle(Arc<Known>);

struct Known {
    store: Store,
    stale_after: Option<Duration>,
    rules: FitRules,
    facility: Option<String>,
    ignored_tags: Vec<Tag>,
    seen: Option<Seen>,
    one_at_a_time: Mutex<()>,
}

impl Oracle {
    /// Answers from this database, and from what a pipeline has seen if there is one.
    #[must_use]
    pub fn new(store: Store, settings: &Settings, seen: Option<Seen>) -> Self {
        let feed = wiring::feed(settings);
        Self(Arc::new(Known {
            store,
            stale_after: settings.matching.host_stale_after,
            rules: wiring::fit_rules(settings),
            facility: feed.facility,
            ignored_tags: feed.rules.ignore_tags,
            seen,
            one_at_a_time: Mutex::default(),
        }))
    }

    /// Why it does not run, or that it can; `None` when there is nothing of this name.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn ask(&self, what: &str) -> Result<Option<Answer>, StoreError> {
        let known = &*self.0;
        let _one = known.one_at_a_time.lock().await;
        let seen = known.seen.as_ref();
        let back_off = seen.map(|seen| seen.layers.keys(Instant::now()));
        let back_off = back_off.unwrap_or_default();
        let Some(mut facts) = known.store.why(what, &back_off).await? else {
            return Ok(None);
        };
        let snapshot = known.store.host_snapshot(None, known.stale_after);
        let hosts = snapshot.await?.hosts;
        let mut resting_hosts = HashMap::new();
        if let Some(seen) = &known.seen {
            let now = Instant::now();
            for layer in &mut facts.layers {
                layer.rests = seen.layers.remaining(&layer.layer.id, now);
            }
            resting_hosts = seen.hosts.resting(now);
        }
        let here = Here {
            rules: &known.rules,
            facility: known.facility.as_deref(),
            ignored_tags: &known.ignored_tags,
            resting_hosts: &resting_hosts,
        };
        let mut answer = why(&facts, &hosts, &here);
        if known.look_closer(&answer.why, &mut facts).await? {
            answer = why(&facts, &hosts, &here);
        }
        let layers = facts.layers.iter().map(|layer| &layer.layer.id);
        if let Some((refused, age)) = seen.and_then(|seen| seen.refusals.launch_of(layers)) {
            add_refusal(&mut answer, &refused, age);
        }
        Ok(Some(answer))
    }
}

impl Known {
    /// Reads what an answer leaves open, where there is such a thing, and returns true if it did.
    async fn look_closer(&self, first: &Why, facts: &mut Facts) -> Result<bool, StoreError> {
        let store = &self.store;
        match first {
            Why::NoTag(tags) => {
                let tagged = store.tagged_hosts(tags, &facts.facility, self.stale_after);
                facts.tagged = Some(tagged.await?);
            }
            Why::Busy { .. } => {
                facts.ledger_faults = store.ledger_faults(LEDGER_FAULTS).await?.first;
            }
            Why::NothingWaits(_) | Why::CanRun { .. } => {
                let Some(layer) = facts.layers.first() else {
                    return Ok(false);
                };
                facts.waiting_counts = store.waiting_counts(&layer.layer.id).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").finish_non_exhaustive()
    }
}

/// Adds the last refused launch to an answer that it helps to understand.
fn add_refusal(answer: &mut Answer, refused: &str, age: Duration) {
    let may_run = matches!(
        answer.why,
        Why::Rests(_) | Why::HostsRest { .. } | Why::Busy { .. } | Why::CanRun { .. }
    );
    if may_run {
        let sentence = answer.sentence.trim_end_matches('.');
        let age = words::age(age);
        let blank = |sign: char| if sign.is_control() { ' ' } else { sign };
        let refused: String = refused.chars().map(blank).collect();
        answer.sentence = format!("{sentence}; its last refused launch was {age} ago: {refused}.");
    }
}

/// What is told when there is nothing of that name.
pub(crate) fn unknown(what: &str) -> String {
    format!(
        "there is no job, layer or frame `{what}`: give its id, or JOB, JOB/LAYER or JOB/FRAME by name"
    )
}

/// Asks a running service. The sentence, or what it says is wrong.
///
/// # Errors
/// Nobody answers there, or somebody else does: what has neither a sentence nor an error of ours in it
/// comes from another program.
pub async fn ask_service(address: &str, what: &str) -> Result<Result<String, String>, ClientError> {
    let answer = top::get(address, &format!("/why/{}", encoded(what))).await?;
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    match (answer.code, text("sentence"), text("error")) {
        (200, Some(sentence), _) => Ok(Ok(sentence)),
        (_, _, Some(error)) => Ok(Err(error)),
        (code, ..) => Err(ClientError::Strange {
            address: address.to_owned(),
            found: format!("{code} without a sentence"),
        }),
    }
}

/// Asks the database of the settings, where no scheduler answers at their address, and says on stderr
/// what the answer cannot know for that. The sentence, or what is wrong.
pub async fn ask_database(settings: &Settings, what: &str) -> Result<String, String> {
    let addr = settings.admin.addr;
    let address = addr.map_or_else(|| "off".to_owned(), |addr| addr.to_string());
    eprintln!(
        "no scheduler at {address}, asked the database alone: resting layers and hosts are not known"
    );
    let mut how = wiring::store(settings);
    how.pool = 2;
    let registry = prometheus::Registry::new();
    let store = Store::connect(&how, &registry)
        .await
        .map_err(|error| chain(&error))?;
    let answer = Oracle::new(store.clone(), settings, None).ask(what).await;
    store.close().await;
    match answer {
        Ok(Some(answer)) => Ok(answer.sentence),
        Ok(None) => Err(unknown(what)),
        Err(error) => Err(chain(&error)),
    }
}

/// Prints an answer, and says how the program ends with it.
pub fn tell(answer: Result<String, String>) -> Exit {
    match answer {
        Ok(sentence) => {
            println!("{sentence}");
            Exit::Clean
        }
        Err(error) => {
            eprintln!("{error}");
            Exit::FailedStart
        }
    }
}

/// A text as a part of a path: what is not plain is written in hexadecimal.
fn encoded(text: &str) -> String {
    const OTHERS: AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/');
    utf8_percent_encode(text, &OTHERS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_path() {
        assert_eq!(encoded("a-b_c.d/0001-é ?"), "a-b_c.d/0001-%C3%A9%20%3F");
    }
}
