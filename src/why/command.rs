//! The command `why`: asks a running service, or else the database, and prints the sentence.

use cue_store::Store;

use super::Explainer;
use super::answer::WhyAnswer;
use super::question::Question;
use crate::client::{Answer, ClientError, encoded, get};
use crate::config::Settings;
use crate::config::wiring;
use crate::lifecycle::Exit;
use crate::output;
use crate::output::chain;
use crate::status::ErrorBody;

/// Asks a running service. Returns the answer, or the error of the service.
///
/// # Errors
/// Nobody answers there, or somebody else does: an answer with neither a sentence nor an error comes from another
/// program.
pub async fn ask_service(
    address: &str,
    question: &Question,
) -> Result<Result<WhyAnswer, String>, ClientError> {
    let name = encoded(&question.name);
    let path = format!("/why/{name}{}", question.parameters(encoded));
    let Answer { code, body } = get(address, &path).await?;
    if let Ok(answer) = serde_json::from_str::<WhyAnswer>(&body)
        && code == 200
    {
        return Ok(Ok(answer));
    }
    match serde_json::from_str::<ErrorBody>(&body) {
        Ok(answer) => Ok(Err(answer.error)),
        Err(_) => {
            let found = format!("{code} without a sentence");
            Err(ClientError::Strange(address.to_owned(), found))
        }
    }
}

/// Asks the database of the settings if no scheduler answers at their address, and names on stderr the facts that
/// are missing for that. Returns the answer, or the error as a text.
pub async fn ask_database(settings: &Settings, question: &Question) -> Result<WhyAnswer, String> {
    let addr = settings.admin.addr;
    let address = addr.map_or_else(|| "off".to_owned(), |addr| addr.to_string());
    output::complain(format_args!(
        "no scheduler at {address}, asked the database alone: backoffs, shares and the order are not known"
    ));
    let mut how = wiring::patient_store(settings);
    how.pool = 2;
    let registry = prometheus::Registry::new();
    let store = Store::connect(&how, &registry)
        .await
        .map_err(|error| chain(&error))?;
    let explainer = Explainer::new(store.clone(), settings, None);
    let answer = explainer.answer(question).await;
    store.close().await;
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(explainer.unknown(question)),
        Err(error) => Err(chain(&error)),
    }
}

/// Prints an answer, as lines or as JSON, and says how the program ends with it.
///
/// # Errors
/// The answer cannot be written.
pub fn tell(answer: Result<WhyAnswer, String>, json: bool) -> std::io::Result<Exit> {
    match answer {
        Ok(answer) => {
            let text = if json {
                serde_json::to_string_pretty(&answer)?
            } else {
                answer.lines()
            };
            output::answer(&mut std::io::stdout(), &format!("{text}\n"))?;
            Ok(Exit::Clean)
        }
        Err(error) => {
            output::complain(error);
            Ok(Exit::FailedStart)
        }
    }
}
