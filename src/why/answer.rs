//! An answer as `/why/NAME` sends it.

use std::time::Duration;

use cue_domain::why::{Answer, Queued, ShareFacts, ShowShare, Why};
use cue_domain::{Centicores, WaitReason};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::facts;
use crate::status;

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhyAnswer {
    /// The subject, in the words of people.
    pub subject: String,
    /// The layer that the answer is about, if it is one of several.
    pub layer: Option<String>,
    /// Code of the reason.
    pub code: String,
    /// Code of the rule, where several rules have this reason.
    #[serde(default)]
    pub rule: Option<String>,
    /// Code of the fault, where the reason is one.
    pub fault: Option<String>,
    /// The reason as a sentence.
    pub sentence: String,
    /// Backoff of the layer, if that is the reason.
    pub set_aside: Option<status::Backoff>,
    /// A row that another session holds, if that is the reason.
    pub held: Option<HeldRow>,
    /// Policy that serves others first, if that is the reason.
    pub queued: Option<QueuedBehind>,
    /// Numbers and names that were compared; null if the reason has none.
    #[serde(default)]
    pub facts: Value,
    /// Time until a frame of it is expected to start, if others leave the room, in milliseconds; none where no
    /// reservation, backoff, date or run of frames says.
    #[serde(default)]
    pub expected_start_ms: Option<u64>,
    /// Place in the order of the show, where a running scheduler knows it.
    #[serde(default)]
    pub place: Option<Place>,
    /// Answers for each layer, if asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Self>,
    /// The answer if the layers were changed, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Box<Changed>>,
}

/// Place of a layer in the order in which the layers of its show are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Place, from 1.
    pub place: usize,
    /// Number of layers that were ordered: those that an idle farm would serve at once.
    pub of: usize,
}

/// The answer for changed layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The change.
    pub change: String,
    /// The answer then.
    pub answer: WhyAnswer,
}

impl WhyAnswer {
    /// An answer that is not about a job.
    pub(super) fn plain(subject: &str, reason: WaitReason, sentence: String) -> Self {
        Self {
            subject: subject.to_owned(),
            layer: None,
            code: reason.code().to_owned(),
            rule: None,
            fault: None,
            sentence,
            set_aside: None,
            held: None,
            queued: None,
            facts: Value::Null,
            expected_start_ms: None,
            place: None,
            layers: Vec::new(),
            changed: None,
        }
    }

    /// The answer as lines for people.
    #[must_use]
    pub fn lines(&self) -> String {
        let layers = self.layers.iter().map(|layer| layer.sentence.clone());
        let mut lines: Vec<String> = layers.collect();
        if lines.is_empty() {
            lines.push(self.sentence.clone());
        }
        if let Some(changed) = &self.changed {
            lines.push(format!(
                "With {}: {}",
                changed.change, changed.answer.sentence
            ));
        }
        lines.join("\n")
    }
}

/// A row that another session holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRow {
    /// Its table.
    pub table: String,
    /// Name and process id of the session, as far as they are known.
    pub holder: Option<String>,
    /// Age of the session's transaction in milliseconds, as far as it is known.
    pub since_ms: Option<u64>,
}

/// Policy that serves others first. Cores are whole cores with fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QueuedBehind {
    /// The memory of its frames is not known, and as many of them run as may until it is.
    Trial {
        /// Frames that run or are being booked.
        running: i64,
        /// Most frames of a trial.
        most: i64,
    },
    /// The idle cores of an allocation go to other shows.
    Share {
        /// Idle cores of the allocation.
        idle: f64,
        /// The show of the layer.
        own: Share,
        /// Shows that are served before it, the lowest tier first.
        first: Vec<Share>,
    },
    /// The idle cores of its show go to other layers.
    Order {
        /// Idle cores that the show may use now.
        entitled: f64,
        /// The layer that is served first, as `JOB/LAYER`.
        first: String,
        /// Number of layers.
        layers: usize,
        /// Number of their jobs.
        jobs: usize,
    },
}

/// Share of a show in an allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Name of the show.
    pub show: String,
    /// Size of its subscription in cores.
    pub size: f64,
    /// Cores in use.
    pub in_use: f64,
    /// Tier of the subscription; the lowest is served first.
    pub tier: f64,
    /// Idle cores that it may use now.
    pub entitled: f64,
}

impl From<Answer> for WhyAnswer {
    fn from(answer: Answer) -> Self {
        let (mut set_aside, mut held, mut queued) = (None, None, None);
        match &answer.why {
            Why::SetAside(backoff) => set_aside = Some(backoff.into()),
            Why::Held(row) => {
                held = Some(HeldRow {
                    table: row.table.to_string(),
                    holder: row.holder.as_ref().map(ToString::to_string),
                    since_ms: row.since.map(status::ms),
                });
            }
            Why::Queued(behind) => queued = behind_of(behind),
            _ => {}
        }
        Self {
            layer: answer.layer,
            rule: answer.why.rule().map(str::to_owned),
            fault: answer.why.fault().map(str::to_owned),
            set_aside,
            held,
            queued,
            facts: facts::of(&answer.why),
            expected_start_ms: expected_start(&answer.why).map(status::ms),
            ..Self::plain(&answer.subject, answer.why.reason(), answer.sentence)
        }
    }
}

/// Time until the reason ends, where it says.
fn expected_start(why: &Why) -> Option<Duration> {
    match why {
        Why::Reserved(hosts) => Some(hosts.ready_in.time),
        Why::StartsLater { wait, .. } => Some(*wait),
        Why::SetAside(backoff) => Some(backoff.remaining),
        Why::HostsBackOff { remaining, .. } => Some(*remaining),
        _ => None,
    }
}

fn behind_of(queued: &Queued) -> Option<QueuedBehind> {
    Some(match queued {
        Queued::GpuProtected => return None,
        Queued::Trial { running, most } => QueuedBehind::Trial {
            running: *running,
            most: *most,
        },
        Queued::Share(share) => {
            let ShareFacts {
                idle, own, first, ..
            } = &**share;
            QueuedBehind::Share {
                idle: cores(*idle),
                own: own.into(),
                first: first.iter().map(Share::from).collect(),
            }
        }
        Queued::Order(order) => QueuedBehind::Order {
            entitled: cores(order.entitled),
            first: order.first.clone(),
            layers: order.layers,
            jobs: order.jobs,
        },
    })
}

impl From<&ShowShare> for Share {
    fn from(share: &ShowShare) -> Self {
        Self {
            show: share.show.to_string(),
            size: cores(share.size),
            in_use: cores(share.held),
            tier: share.tier(),
            entitled: cores(share.entitled),
        }
    }
}

fn cores(amount: Centicores) -> f64 {
    amount.0 as f64 / 100.0
}
