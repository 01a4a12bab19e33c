//! The life of the service with a small flow of real stages, and requests to stop from a channel.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use cue_flow::{Meters, Outlet, Source, Stage, StopToken, Verdict, Width};
use opentelemetry_sdk::trace::InMemorySpanExporter;
use tokio::sync::mpsc;

use super::*;
use crate::config::load;
use crate::status::Status;

/// Gives one item, and then nothing until it is told to stop.
struct One {
    then_end: bool,
}

impl Source for One {
    const NAME: &'static str = "one";
    type Out = ();

    async fn run(self, out: Outlet<()>, stop: StopToken) -> Result<(), BoxError> {
        out.reserve().await?.send_root((), tracing::Span::none());
        if !self.then_end {
            stop.cancelled().await;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Manner {
    Handles,
    Dies,
    Hangs,
}

/// Says that it has begun, and then behaves in its manner.
struct Worker {
    manner: Manner,
    begun: mpsc::Sender<()>,
}

impl Stage for Worker {
    const NAME: &'static str = "worker";
    type In = ();
    type Out = Infallible;

    async fn handle(&self, (): (), _out: &Outlet<Infallible>) -> Verdict {
        self.begun.send(()).await.unwrap();
        match self.manner {
            Manner::Handles => Verdict::Done,
            Manner::Dies => Verdict::Fatal("it broke".into()),
            Manner::Hangs => std::future::pending().await,
        }
    }
}

struct Requests(mpsc::Receiver<()>);

impl StopRequests for Requests {
    async fn next(&mut self) -> &'static str {
        match self.0.recv().await {
            Some(()) => "a request",
            None => std::future::pending().await,
        }
    }
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let mut all = vec![
        ("CUE_DATABASE_URL", "postgres://h/d"),
        ("CUE_ADMIN_ADDR", "off"),
    ];
    all.extend_from_slice(pairs);
    let environment: std::collections::BTreeMap<String, String> = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    load(None, &environment, &[]).settings.unwrap()
}

/// The same settings, read again.
fn reread() -> Loaded {
    load(None, &std::collections::BTreeMap::new(), &[])
}

fn guard(settings: &Settings) -> TelemetryGuard {
    let none = None::<InMemorySpanExporter>;
    let made = telemetry::subscriber(&settings.telemetry, &settings.logging, none, std::io::sink);
    made.unwrap().1
}

/// Runs a small service; `requests` are made after the worker has begun. Returns how it ended, and
/// whether what was left to do after the drain has been done.
async fn live(manner: Manner, then_end: bool, requests: usize, grace: &str) -> (Exit, bool) {
    let settings = settings(&[("CUE_SHUTDOWN_GRACE", grace)]);
    let (begun, mut has_begun) = mpsc::channel(1);
    let (ask, asked) = mpsc::channel(2);
    let finished = Arc::new(AtomicBool::new(false));
    let last = Arc::clone(&finished);
    let build = async |_: &Settings, registry: &Registry| {
        let one = NonZeroUsize::MIN;
        let mut flow = Flow::new(Meters::new(registry)?);
        let width = Width {
            workers: one,
            queue: one,
        };
        flow.line(One { then_end })
            .end(Worker { manner, begun }, width);
        Ok(Running {
            flow,
            feed: FeedHandle::default(),
            probes: vec![],
            status: Arc::new(Status::default),
            explainer: None,
            hosts: None,
            pauses: None,
            finish: Box::pin(async move { last.store(true, Ordering::Relaxed) }),
        })
    };
    let guard = guard(&settings);
    let asking = async {
        has_begun.recv().await.unwrap();
        for _ in 0..requests {
            ask.send(()).await.unwrap();
        }
    };
    let (exit, ()) = tokio::join!(
        supervise(
            &settings,
            (&guard, Registry::new()),
            Requests(asked),
            (reread, build)
        ),
        asking
    );
    (exit.unwrap(), finished.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_request_to_stop_drains_and_ends_clean() {
    assert_eq!(
        live(Manner::Handles, false, 1, "30s").await,
        (Exit::Clean, true)
    );
}

#[tokio::test]
async fn a_feed_that_ends_by_itself_ends_the_service_clean() {
    assert_eq!(
        live(Manner::Handles, true, 0, "30s").await,
        (Exit::Clean, true)
    );
}

#[tokio::test]
async fn a_stage_that_dies_ends_the_service_with_its_own_code() {
    assert_eq!(
        live(Manner::Dies, false, 0, "30s").await,
        (Exit::StageDied, true)
    );
}

#[tokio::test]
async fn work_that_outlasts_the_grace_is_a_laggard() {
    assert_eq!(
        live(Manner::Hangs, false, 1, "100ms").await,
        (Exit::Laggards, true)
    );
}

#[tokio::test]
async fn a_second_request_aborts_without_waiting_for_the_grace() {
    assert_eq!(
        live(Manner::Hangs, false, 2, "1h").await,
        (Exit::Aborted, false)
    );
}

#[tokio::test]
async fn a_request_before_the_pipeline_is_ready_ends_clean() {
    let settings = settings(&[]);
    let (ask, asked) = mpsc::channel(1);
    ask.send(()).await.unwrap();
    let build = async |_: &Settings, _: &Registry| std::future::pending().await;
    let exit = supervise(
        &settings,
        (&guard(&settings), Registry::new()),
        Requests(asked),
        (reread, build),
    )
    .await;
    assert_eq!(exit.unwrap(), Exit::Clean);
}

#[tokio::test]
async fn a_pipeline_that_cannot_be_built_is_told_with_its_causes() {
    let settings = settings(&[]);
    let (_ask, asked) = mpsc::channel(1);
    let build = async |_: &Settings, _: &Registry| {
        Err(StartError::Pipeline {
            doing: "connect to the database",
            source: std::io::Error::other("nobody listens").into(),
        })
    };
    let failed = supervise(
        &settings,
        (&guard(&settings), Registry::new()),
        Requests(asked),
        (reread, build),
    )
    .await;
    let text = chain(&failed.unwrap_err());
    assert_eq!(text, "cannot connect to the database: nobody listens");
}

#[tokio::test]
async fn a_taken_admin_address_is_refused_before_anything_is_built() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let settings = settings(&[("CUE_ADMIN_ADDR", &addr)]);
    let (_ask, asked) = mpsc::channel(1);
    let built = AtomicBool::new(false);
    let build = async |_: &Settings, _: &Registry| {
        built.store(true, Ordering::Relaxed);
        std::future::pending().await
    };
    let failed = supervise(
        &settings,
        (&guard(&settings), Registry::new()),
        Requests(asked),
        (reread, build),
    )
    .await;
    assert!(matches!(failed.unwrap_err(), StartError::Admin(_)));
    assert!(!built.load(Ordering::Relaxed));
}
