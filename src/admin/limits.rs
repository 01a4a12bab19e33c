//! Bounds of a request: the time until its answer begins, and the requests at the same path beside it.
//!
//! Invariant: every path has a limit of its own, so a path whose answers hang keeps no probe from another.

use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{BoxError, Router};
use tower::ServiceBuilder;
use tower::timeout::error::Elapsed;

use super::refusal::refusal;

/// Requests at a time at a path. Further ones are refused at once.
const MOST: usize = 64;

/// Time until an answer begins.
const ANSWER: Duration = Duration::from_secs(30);

/// Adds the bounds to every path.
pub(super) fn limited(router: Router) -> Router {
    bounded(router, MOST, ANSWER)
}

fn bounded(router: Router, most: usize, answer: Duration) -> Router {
    // The router makes the layer once for each path.
    router.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(move |error| refuse(error, answer)))
            .load_shed()
            .concurrency_limit(most)
            .timeout(answer),
    )
}

async fn refuse(error: BoxError, answer: Duration) -> Response {
    let reason = if error.is::<Elapsed>() {
        let limit = humantime::format_duration(answer);
        format!("there was no answer within {limit}")
    } else {
        "too many ask for this at a time, try again later".to_owned()
    };
    refusal(StatusCode::SERVICE_UNAVAILABLE, reason)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use futures::FutureExt as _;
    use tokio::sync::Semaphore;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let code = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1024)
            .await
            .unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_flood_at_a_path_is_refused_at_once_and_other_paths_answer() {
        let gate = Arc::new(Semaphore::new(0));
        let held = {
            let gate = Arc::clone(&gate);
            move || {
                let gate = Arc::clone(&gate);
                async move {
                    let _open = gate.acquire().await;
                    "held"
                }
            }
        };
        let router = Router::new()
            .route("/held", get(held))
            .route("/well", get(|| async { "well" }));
        let router = bounded(router, 2, Duration::from_secs(3600)).with_state(());
        let mut first = Box::pin(ask(&router, "/held"));
        let mut second = Box::pin(ask(&router, "/held"));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        let (code, body) = ask(&router, "/held").await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("too many ask"), "{body}");
        assert_eq!(ask(&router, "/well").await.0, StatusCode::OK);
        gate.add_permits(1);
        assert_eq!(
            (first.await.0, second.await.0),
            (StatusCode::OK, StatusCode::OK)
        );
        assert_eq!(ask(&router, "/held").await.0, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up() {
        let router = Router::new().route("/", get(std::future::pending::<String>));
        let (code, body) = ask(&bounded(router, 1, Duration::from_millis(100)), "/").await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("no answer within 100ms"), "{body}");
    }
}
