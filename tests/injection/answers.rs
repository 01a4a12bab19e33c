//! Answers of the program under a fault: `why`, `check` and the metrics.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ended::ended;
use crate::farm::Farm;
use crate::outcome::Outcome;
use crate::row::{Row, Sounds, Victim};
use crate::run::starts;
use crate::stream::Stream;

/// Time in which `why` must have given the right answer: between two tries a layer is about to be tried.
const RIGHT_WITHIN: Duration = Duration::from_secs(3);

/// `why` and `check` say what is true.
pub async fn explained(row: &Row, farm: &Farm, stream: &Stream, outcome: &mut Outcome) {
    if let Err(answer) = why(row, farm, stream).await {
        outcome.missed(format!("why: {answer}"));
    }
    let Some(wanted) = row.check else { return };
    let environment = [("CUE_DATABASE_URL", &*farm.url), ("CUE_ADMIN_ADDR", "off")];
    let output = ended(&["check"], &environment).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut fails = text.lines().filter(|line| line.starts_with("FAIL"));
    if !fails.any(|line| line.contains(wanted)) {
        outcome.missed(format!("check does not say {wanted}:\n{text}"));
    }
}

/// Asks for the reason until it is the right one. The last answer, if none was.
async fn why(row: &Row, farm: &Farm, stream: &Stream) -> Result<(), String> {
    let job = match (row.victim, row.sounds) {
        // A frame that is held holds up itself alone.
        (Victim::Held("frame"), _) => format!("{}/0001-render", farm.victim_name()),
        (Victim::Held(_) | Victim::Refused(_), _) => farm.victim_name().to_owned(),
        (Victim::Unexplained, Sounds::Stand) => farm.victim_name().to_owned(),
        (Victim::Apart, Sounds::Stand) => {
            let (starts, sounds) = (starts(farm), stream.sounds());
            let waits = sounds.iter().find(|one| !starts.contains_key(&one.frame));
            let Some(sound) = waits else { return Ok(()) };
            sound.job.clone()
        }
        _ => return Ok(()),
    };
    let until = Instant::now() + RIGHT_WITHIN;
    loop {
        let (code, body) = farm.service.get(&format!("/why/{job}")).await;
        if is_right(row, code, &body) {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("{code} {body}"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_right(row: &Row, code: u16, body: &str) -> bool {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let set_aside = &answer["set_aside"];
    match row.victim {
        Victim::Held(table) => {
            let set_aside = set_aside["reason"] == "held" && set_aside["table"] == table;
            set_aside || answer["held"]["table"] == table
        }
        Victim::Refused(state) => {
            set_aside["reason"] == "refused" && set_aside["sqlstate"] == state
        }
        // A database that does not answer cannot be asked for reasons.
        _ => code == 503 || answer["fault"].is_string() || set_aside.is_object(),
    }
}

/// Layers that were set aside so far, for whatever reason.
pub async fn set_aside(farm: &Farm) -> usize {
    let (_, body) = farm.service.get("/metrics").await;
    let ours = |line: &&str| line.starts_with("scheduler_layers_set_aside_total{");
    let values = body
        .lines()
        .filter(ours)
        .filter_map(|line| line.rsplit_once(' '));
    values
        .map(|(_, value)| value.parse::<usize>().unwrap())
        .sum()
}
