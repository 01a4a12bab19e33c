//! `cue-scheduler why` and `/why/NAME`: the first rule that keeps a job, a layer or a frame from
//! running, as a sentence.
//!
//! The database is read for each question, hosts included, so the answer is not what some replica believes. Facts
//! that only this replica has (its settings, layers and hosts that back off after failed launches) are added.
//! Invariant: one question is answered at a time, so the database spends one connection at most. A fact that cannot
//! be read is named, and the answer is made of the others.

mod answer;
mod closer;
mod command;
mod facts;
mod places;
mod question;
mod seen;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::PickRules;
use cue_domain::fit::FitRules;
use cue_domain::why::{Answer, Fact, Facts, LayerFacts, Scheduler, Unread, Why, why};
use cue_domain::{Host, HostId, Setback, Tag, printable};
use cue_store::{Store, StoreError};
use tokio::sync::Mutex;

use crate::config::Settings;
use crate::config::wiring;
use crate::hosts::unknown_host;
use crate::output::chain;
use crate::words;

pub use answer::{Changed, HeldRow, Place, QueuedBehind, Share, WhyAnswer};
pub use command::{ask_database, ask_service, tell};
use question::Subject;
pub use question::{Parameters, Question};
pub use seen::Seen;

/// Wrong ledgers among which those to blame are looked for, at most.
const LEDGER_FAULTS: usize = 1_000;
/// Layers of a subject for which the order is found out one by one, at most.
const MOST_ORDERED: usize = 200;

/// Explainer of why something does not run. Cloning shares it.
#[derive(Clone)]
pub struct Explainer(Arc<Known>);

struct Known {
    store: Store,
    stale_after: Option<Duration>,
    rules: FitRules,
    order: PickRules,
    facility: Option<String>,
    ignored_tags: Vec<Tag>,
    seen: Option<Seen>,
    one_at_a_time: Mutex<()>,
}

impl Explainer {
    /// Answers from this database, and from what a pipeline has seen if there is one.
    #[must_use]
    pub fn new(store: Store, settings: &Settings, seen: Option<Seen>) -> Self {
        Self(Arc::new(Known {
            store,
            stale_after: settings.matching.host_stale_after,
            rules: wiring::fit_rules(settings),
            order: wiring::pick_rules(settings),
            facility: settings.feed.facility.clone(),
            ignored_tags: wiring::ignored_tags(settings),
            seen,
            one_at_a_time: Mutex::default(),
        }))
    }

    /// Finds the reason why something does not run, or that it can; `None` when there is nothing of this name.
    ///
    /// # Errors
    /// The database did not answer, or not with the facts that every answer needs.
    pub async fn ask(&self, what: &str) -> Result<Option<Answer>, StoreError> {
        let known = &*self.0;
        let _one = known.one_at_a_time.lock().await;
        let found = known.explain(what).await?;
        Ok(found.map(|found| found.answer))
    }

    /// Answers a question, with the facts of the answer; `None` when there is nothing of this name.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub async fn answer(&self, question: &Question) -> Result<Option<WhyAnswer>, StoreError> {
        let known = &*self.0;
        if let Some(subject) = question.farm_subject() {
            let Some(seen) = &known.seen else {
                return Ok(None);
            };
            return match subject {
                Subject::Show(name) => match places::of_show(seen, name) {
                    None => known.quiet_show(name).await,
                    answer => Ok(answer),
                },
                Subject::Host(name) => Ok(places::of_host(seen, name)),
            };
        }
        let _one = known.one_at_a_time.lock().await;
        let Some(mut found) = known.explain(&question.name).await? else {
            return Ok(None);
        };
        let mut answer = WhyAnswer::from(found.answer.clone());
        known.add_place(&found, &mut answer);
        known.add_expected_start(&found, &mut answer).await;
        if question.layers {
            if found.facts.layers.len() <= MOST_ORDERED {
                known.find_queued(&mut found.facts);
            }
            let layers = found.facts.by_layer();
            let answers = layers.map(|facts| known.decide(&facts, &found).into());
            answer.layers = answers.collect();
        }
        if let Some(change) = &question.change {
            let changed = known.decide(&change.of(&found.facts), &found);
            answer.changed = Some(Box::new(Changed {
                change: change.to_string(),
                answer: changed.into(),
            }));
        }
        Ok(Some(answer))
    }

    /// Error for the subject of a question that has no answer.
    pub(crate) fn unknown(&self, question: &Question) -> String {
        match question.farm_subject().filter(|_| self.0.seen.is_some()) {
            Some(Subject::Show(name)) => format!("there is no active show `{name}`"),
            Some(Subject::Host(name)) => unknown_host(name),
            None => unknown(&question.name),
        }
    }
}

/// An answer, and the facts that it was made of.
struct Explained {
    facts: Facts,
    hosts: Vec<Host>,
    host_backoffs: HashMap<HostId, Duration>,
    answer: Answer,
}

impl Explained {
    /// The layer of the answer.
    fn layer(&self) -> Option<&LayerFacts> {
        let named = self.answer.layer.as_deref();
        let mut layers = self.facts.layers.iter();
        match named {
            Some(name) => layers.find(|layer| &*layer.layer.name == name),
            None => layers.next().filter(|_| self.facts.layers.len() == 1),
        }
    }
}

impl Known {
    async fn explain(&self, what: &str) -> Result<Option<Explained>, StoreError> {
        let seen = self.seen.as_ref();
        let back_off = seen.map(|seen| seen.layers.keys(Instant::now()));
        let back_off = back_off.unwrap_or_default();
        let Some(mut facts) = self.store.why(what, &back_off).await? else {
            return Ok(None);
        };
        let snapshot = self.store.host_snapshot(None, self.stale_after);
        let hosts = known_or_unread(Fact::Hosts, snapshot.await, &mut facts);
        let hosts = hosts.map_or_else(Vec::new, |open| open.hosts);
        let mut host_backoffs = HashMap::new();
        if let Some(seen) = seen {
            let now = Instant::now();
            for layer in &mut facts.layers {
                let set_aside = seen.layers.recent(&layer.layer.id, now);
                layer.set_aside = set_aside.filter(|one| !one.reason.makes_way());
                layer.reservations = seen.demand.reservations_of(&layer.layer.id, now);
            }
            host_backoffs = seen.hosts.backoffs(now);
        }
        let mut answer = why(&facts, &hosts, &self.scheduler(&host_backoffs));
        if Box::pin(self.look_closer(&answer.why, &mut facts)).await {
            answer = why(&facts, &hosts, &self.scheduler(&host_backoffs));
        }
        let trouble = seen.and_then(|seen| seen.health.trouble(Instant::now()));
        if let Some(trouble) = trouble {
            answer.blame_everything(&trouble);
        }
        if let Some((pause, remaining)) = seen.and_then(|seen| seen.pause_of(&facts)) {
            answer.blame_pause(&pause, remaining);
        }
        let layers = facts.layers.iter().map(|layer| &layer.layer.id);
        if let Some((refused, age)) = seen.and_then(|seen| seen.refusals.launch_of(layers)) {
            add_refusal(&mut answer, &refused, age);
        }
        if let (Some(seen), Why::FrameState(frame)) = (seen, &answer.why)
            && let Some(address) = seen.refusals.traces().of_launch(&frame.id.as_str().into())
        {
            let more = format!(" Trace of its last launch: {address}");
            answer.sentence.push_str(&more);
        }
        Ok(Some(Explained {
            facts,
            hosts,
            host_backoffs,
            answer,
        }))
    }

    /// The answer about an active show of which nothing waits and that has no cores.
    async fn quiet_show(&self, name: &str) -> Result<Option<WhyAnswer>, StoreError> {
        let _one = self.one_at_a_time.lock().await;
        let shows = self.store.check_shows().await?;
        let show = shows.iter().find(|show| show.name == name);
        Ok(show.map(places::of_quiet_show))
    }

    fn scheduler<'a>(&'a self, host_backoffs: &'a HashMap<HostId, Duration>) -> Scheduler<'a> {
        Scheduler {
            rules: &self.rules,
            facility: self.facility.as_deref(),
            ignored_tags: &self.ignored_tags,
            host_backoffs,
        }
    }

    /// The answer for other facts, with the hosts of a question that was answered.
    fn decide(&self, facts: &Facts, found: &Explained) -> Answer {
        why(facts, &found.hosts, &self.scheduler(&found.host_backoffs))
    }
}

/// A fact, or nothing and a note that it could not be read.
fn known_or_unread<T>(fact: Fact, read: Result<T, StoreError>, facts: &mut Facts) -> Option<T> {
    let note = |error: StoreError| {
        let error = chain(&error);
        facts.unread.push(Unread { fact, error });
    };
    read.map_err(note).ok()
}

impl std::fmt::Debug for Explainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explainer").finish_non_exhaustive()
    }
}

/// Adds the last refused launch to an answer that it helps to understand.
fn add_refusal(answer: &mut Answer, refused: &str, age: Duration) {
    let may_run = match &answer.why {
        Why::SetAside(set_aside) => set_aside.reason == Setback::Launch,
        Why::HostsBackOff { .. } | Why::Busy { .. } | Why::CanRun { .. } => true,
        _ => false,
    };
    if may_run {
        let sentence = answer.sentence.trim_end_matches('.');
        let age = words::age(age);
        let refused = printable(refused);
        answer.sentence = format!("{sentence}; its last refused launch was {age} ago: {refused}.");
    }
}

/// Error for a name that nothing has.
pub(crate) fn unknown(what: &str) -> String {
    format!(
        "there is no job, layer or frame `{what}`: give its id, or JOB, JOB/LAYER or JOB/FRAME by name; a running \
         scheduler also knows show:NAME and host:NAME"
    )
}
