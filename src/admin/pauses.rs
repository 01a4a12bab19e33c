//! Paths about pauses of booking: those that hold, and the levers to pause and to resume.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use cue_domain::Pause;
use cue_store::StoreError;

use super::controls::ChangeError;
use super::levers::{ChangePause, Head, PauseOrder, caller, read};
use super::state::Served;
use crate::status::{PauseChange, PauseState, pauses_now};
use crate::telemetry::ALWAYS;

/// The pauses that hold on this replica, which are those of the database.
pub(super) fn held(served: &Served) -> Vec<PauseState> {
    let pauses = served.state.pauses.as_ref();
    pauses.map(pauses_now).unwrap_or_default()
}

pub(super) async fn list(State(served): State<Arc<Served>>) -> Json<Vec<PauseState>> {
    Json(held(&served))
}

pub(super) async fn change(
    State(served): State<Arc<Served>>,
    head: Head,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PauseChange>, ChangeError> {
    let caller = caller(&head);
    served.state.controls.authorize(caller)?;
    let wanted: ChangePause = read(&body?)?;
    let none = || ChangeError::Unknown("this service has no database to pause".to_owned());
    let pauses = served.state.pauses.as_ref().ok_or_else(none)?;
    let order = wanted.order().map_err(ChangeError::Unknown)?;
    let ChangePause { by, reason, .. } = wanted;
    let (lever, changed) = match &order {
        PauseOrder::Pause(scope, time) => {
            let pause = Pause {
                scope: scope.clone(),
                by: by.clone(),
                reason: reason.clone(),
            };
            if !answer(pauses.pause(&pause, *time).await)? {
                let unknown = format!("there is no {scope} in the database, as KIND/NAME");
                return Err(ChangeError::Unknown(unknown));
            }
            ("pause", true)
        }
        PauseOrder::Resume(scope) => ("resume", answer(pauses.resume(scope).await)?),
    };
    let scope = order.scope();
    tracing::info!(target: ALWAYS, lever, %scope, changed, by, reason, peer = %caller.peer, "a lever was pulled");
    Ok(Json(PauseChange {
        changed,
        pauses: pauses_now(pauses),
    }))
}

fn answer(answer: Result<bool, StoreError>) -> Result<bool, ChangeError> {
    answer.map_err(|error| {
        let advice = match error.code() {
            Some("42501") => "; run GRANT INSERT, UPDATE, DELETE ON config TO its role",
            _ => "",
        };
        ChangeError::Database(format!("{}{advice}", crate::output::chain(&error)))
    })
}
