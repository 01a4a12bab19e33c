//! Answers that are errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::status::ErrorBody;

/// An answer that is an error.
pub(super) fn refusal(code: StatusCode, error: impl ToString) -> Response {
    let error = error.to_string();
    (code, Json(ErrorBody { error })).into_response()
}
