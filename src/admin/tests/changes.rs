//! Changes to a running service: who may, and what is refused.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use cue_flow::{BoxError, Flow, Meters, Outlet, Source, Stage, StopToken, Verdict, Width};
use opentelemetry_sdk::trace::InMemorySpanExporter;

use super::*;
use crate::config::{LiveWidths, Settings, load};
use crate::telemetry::{self, LogFilter};

struct Sink;

impl Stage for Sink {
    const NAME: &'static str = "dispatch";
    type In = ();
    type Out = Infallible;

    async fn handle(&self, (): (), _out: &Outlet<Infallible>) -> Verdict {
        Verdict::Done
    }
}

struct Idle;

impl Source for Idle {
    const NAME: &'static str = "cluster_feed";
    type Out = ();

    async fn run(self, _out: Outlet<()>, stop: StopToken) -> Result<(), BoxError> {
        stop.cancelled().await;
        Ok(())
    }
}

struct Service {
    server: AdminServer,
    controls: AdminControls,
    flow: Flow,
    log: LogFilter,
    // The filter works while its log exists.
    _subscriber: Box<dyn std::any::Any>,
}

fn settings(token: Option<&str>) -> Settings {
    let mut environment = std::collections::BTreeMap::from([(
        "CUE_DATABASE_URL".to_owned(),
        "postgresql://h/d".to_owned(),
    )]);
    environment.extend(token.map(|token| ("CUE_ADMIN_TOKEN".to_owned(), token.to_owned())));
    load(None, &environment, &[]).settings.unwrap()
}

async fn service(token: Option<&str>) -> Service {
    let settings = settings(token);
    let four = NonZeroUsize::new(4).unwrap();
    let mut flow = Flow::new(Meters::new(&Registry::new()).unwrap());
    let width = Width {
        workers: four,
        queue: four,
    };
    flow.line(Idle).end(Sink, width);
    let none = None::<InMemorySpanExporter>;
    let (subscriber, guard) =
        telemetry::subscriber(&settings.telemetry, &settings.logging, none, std::io::sink).unwrap();
    let controls = AdminControls::new(
        settings.admin.token.clone(),
        flow.control(),
        LiveWidths::new(&settings),
        guard.filter(),
    );
    let state = AdminState {
        controls: controls.clone(),
        ..AdminState::new(Registry::new())
    };
    Service {
        server: start_with(state).await,
        controls,
        flow,
        log: guard.filter(),
        _subscriber: Box::new(subscriber),
    }
}

impl Service {
    async fn put(&self, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let header = token.map_or_else(String::new, |token| format!("authorization: {token}\r\n"));
        let answer = send(self.server.address, "PUT", path, &header, body).await;
        let told = answer.json();
        let text = told["error"].as_str().map(str::to_owned);
        (answer.code, text.unwrap_or_else(|| told.to_string()))
    }

    fn workers(&self) -> u64 {
        self.flow.control().snapshot()[1].workers
    }
}

const RIGHT: Option<&str> = Some("Bearer s3cret-s3cret-s3cret");

#[tokio::test]
async fn without_a_token_in_the_settings_nobody_can_change_anything() {
    let service = service(None).await;
    for path in ["/stages/dispatch", "/log"] {
        let (code, error) = service.put(path, RIGHT, r#"{"workers": 2}"#).await;
        assert_eq!(code, 403);
        assert!(error.contains("set CUE_ADMIN_TOKEN"), "{error}");
    }
    assert_eq!(service.workers(), 4);
}

#[tokio::test]
async fn a_wrong_or_missing_token_is_told_apart_from_the_right_one() {
    let service = service(Some("s3cret-s3cret-s3cret")).await;
    let body = r#"{"workers": 2}"#;
    for token in [
        None,
        Some("Bearer s3creT"),
        Some("Bearer s3cret-s3cret-s3cret2"),
        Some("Basic s3cret-s3cret-s3cret"),
        Some("s3cret-s3cret-s3cret"),
    ] {
        let (code, _) = service.put("/stages/dispatch", token, body).await;
        assert_eq!(code, 401, "{token:?}");
    }
    assert_eq!(service.workers(), 4);
    let (code, told) = service.put("/stages/dispatch", RIGHT, body).await;
    assert_eq!(
        (code, told.as_str()),
        (200, r#"{"stage":"dispatch","workers":2}"#)
    );
    assert_eq!(service.workers(), 2);
}

#[tokio::test]
async fn a_bad_number_an_unknown_stage_and_a_pool_too_small_change_nothing() {
    let service = service(Some("s3cret-s3cret-s3cret")).await;
    for body in [
        "",
        "5",
        "{}",
        r#"{"workers": 0}"#,
        r#"{"workers": -1}"#,
        r#"{"workers": 257}"#,
        r#"{"workers": "2"}"#,
    ] {
        let (code, error) = service.put("/stages/dispatch", RIGHT, body).await;
        assert_eq!(code, 400, "{body}");
        assert!(error.contains("from 1 to 256"), "{error}");
    }
    let (code, error) = service
        .put("/stages/despatch", RIGHT, r#"{"workers": 2}"#)
        .await;
    assert_eq!(code, 404);
    assert!(error.contains("those that have: dispatch"), "{error}");
    let (code, error) = service
        .put("/stages/dispatch", RIGHT, r#"{"workers": 200}"#)
        .await;
    assert_eq!(code, 409);
    assert!(error.contains("200 dispatch.workers"), "{error}");
    assert_eq!(service.workers(), 4);
}

#[tokio::test]
async fn the_log_filter_is_changed_and_a_bad_one_is_not() {
    let service = service(Some("s3cret-s3cret-s3cret")).await;
    let (code, told) = service
        .put("/log", RIGHT, r#"{"filter": "warn,cue_flow=debug"}"#)
        .await;
    assert_eq!(
        (code, told.as_str()),
        (200, r#"{"filter":"warn,cue_flow=debug"}"#)
    );
    for bad in [
        r#"{"filter": "a=b=c"}"#,
        r#"{"filter": " "}"#,
        r#"{"level": "info"}"#,
    ] {
        let (code, _) = service.put("/log", RIGHT, bad).await;
        assert_eq!(code, 400, "{bad}");
    }
    assert_eq!(service.log.current(), "warn,cue_flow=debug");
}

#[tokio::test]
async fn settings_that_are_read_again_change_workers_and_filter_and_never_break_the_pool() {
    let service = service(None).await;
    let controls = service.controls.clone();
    let settings = |pairs: &[(&str, &str)]| {
        let url = ("CUE_DATABASE_URL", "postgresql://h/d");
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = pairs.iter().chain([&url]).map(named).collect();
        load(None, &environment, &[]).settings.unwrap()
    };
    controls.adopt(&settings(&[
        ("CUE_DISPATCH_WORKERS", "3"),
        ("CUE_LOG", "warn"),
    ]));
    assert_eq!(
        (service.workers(), service.log.current()),
        (3, "warn".to_owned())
    );
    // The pool stays as it was at the start.
    let wide = [("CUE_DISPATCH_WORKERS", "99"), ("CUE_DATABASE_POOL", "999")];
    controls.adopt(&settings(&wide));
    assert_eq!(
        (service.workers(), service.log.current()),
        (3, "info".to_owned())
    );
}
