//! `cue-scheduler why` and `/why/NAME`: the first rule that keeps a job, a layer or a frame from
//! running, as a sentence.
//!
//! It reads the database anew for each question, hosts included, so the answer is about what is and
//! not about what some replica believes. Invariant: one question is answered at a time, so curiosity
//! costs the database one connection at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::LayerId;
use cue_domain::fit::FitRules;
use cue_domain::resting::Resting;
use cue_domain::why::{Answer, why};
use cue_store::{Store, StoreError};
use tokio::sync::Mutex;

use crate::config::Settings;
use crate::lifecycle::Exit;
use crate::service::chain;
use crate::top::{self, ClientError};
use crate::wiring;

/// Answers questions. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Oracle {
    store: Store,
    stale_after: Option<Duration>,
    rules: Arc<FitRules>,
    resting: Option<Arc<Resting<LayerId>>>,
    one_at_a_time: Arc<Mutex<()>>,
}

impl Oracle {
    /// Answers from this database; `resting` knows of layers whose launch was refused.
    #[must_use]
    pub fn new(store: Store, settings: &Settings, resting: Option<Arc<Resting<LayerId>>>) -> Self {
        Self {
            store,
            stale_after: settings.matching.host_stale_after,
            rules: Arc::new(wiring::fit_rules(settings)),
            resting,
            one_at_a_time: Arc::default(),
        }
    }

    /// Why it does not run, or that it can; `None` when there is nothing of this name.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn ask(&self, what: &str) -> Result<Option<Answer>, StoreError> {
        let _one = self.one_at_a_time.lock().await;
        let Some(mut facts) = self.store.why(what).await? else {
            return Ok(None);
        };
        let now = Instant::now();
        if let Some(resting) = &self.resting {
            for layer in &mut facts.layers {
                layer.rests = resting.remaining(&layer.layer.id, now);
            }
        }
        let hosts = self.store.host_snapshot(None, self.stale_after).await?;
        Ok(Some(why(&facts, &hosts, &self.rules)))
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
/// Nobody answers there.
pub async fn ask_service(address: &str, what: &str) -> Result<Result<String, String>, ClientError> {
    let answer = top::get(address, &format!("/why/{}", encoded(what))).await?;
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    Ok(match (answer.code, text("sentence"), text("error")) {
        (200, Some(sentence), _) => Ok(sentence),
        (code, _, error) => Err(error.unwrap_or_else(|| format!("{address} answered {code}"))),
    })
}

/// Asks the database of the settings. The sentence, or what is wrong.
pub async fn ask_database(settings: &Settings, what: &str) -> Result<String, String> {
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
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_path() {
        assert_eq!(encoded("a-b_c.d/0001-é ?"), "a-b_c.d/0001-%C3%A9%20%3F");
    }
}
