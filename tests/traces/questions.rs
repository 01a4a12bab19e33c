//! Questions that an operator asks of traces, each one search: of the receiver in this test at all times, and of a real
//! Jaeger where there is one.
//!
//! Invariant: a search finds a trace if one span of it matches operation, tags and duration together, as Jaeger's does.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::{Fault, LaunchRecord, SimRqdSettings};
use cue_simfarm::waiting::until;

use crate::collector::Collector;
use crate::tree::Span;
use crate::yard::Yard;

/// Time for which a statement is held up.
const HELD_UP: Duration = Duration::from_millis(400);

/// A search.
#[derive(Debug)]
pub struct Question {
    pub name: &'static str,
    pub operation: Option<&'static str>,
    pub tags: Vec<(&'static str, String)>,
    pub longer_than: Option<Duration>,
}

impl Question {
    fn matches(&self, span: &Span) -> bool {
        let took = Duration::from_nanos(span.end - span.start);
        let has = |(name, value): &(&str, String)| span.attributes.get(*name) == Some(value);
        self.operation.is_none_or(|name| span.name == name)
            && self.tags.iter().all(has)
            && self.longer_than.is_none_or(|least| took >= least)
    }
}

/// Facts seen of a farm: a frame that was launched and runs, the log, and what the service says of both.
pub struct Seen {
    launch: LaunchRecord,
    log: String,
    status: String,
    why: String,
}

impl Seen {
    /// The searches. Each finds something.
    pub fn questions(&self) -> Vec<Question> {
        let frame = self.launch.run_frame.as_ref().unwrap();
        let ask = |name, operation, tags: &[(&'static str, &str)]| Question {
            name,
            operation: Some(operation),
            tags: tags
                .iter()
                .map(|(tag, value)| (*tag, (*value).to_owned()))
                .collect(),
            longer_than: None,
        };
        let job = ("cue.job.name", &*frame.job_name);
        let refused = ("cue.outcome", "refused_for_now");
        vec![
            ask("show", "launch", &[("cue.show.name", &frame.show)]),
            ask("job", "launch", &[job]),
            ask(
                "layer",
                "launch",
                &[job, ("cue.layer.name", &frame.layer_name())],
            ),
            ask(
                "frame",
                "launch",
                &[job, ("cue.frame.name", &frame.frame_name)],
            ),
            ask("proc", "launch", &[("cue.proc.id", &frame.resource_id)]),
            ask("host", "launch", &[("cue.host.name", &self.launch.host)]),
            ask("refused launch", "launch", &[refused]),
            ask("failed turn", "turn", &[("error.type", "launch_failed")]),
            ask("undone booking", "undo_bookings", &[]),
            Question {
                longer_than: Some(HELD_UP),
                ..ask("slow statement", "lock_frames", &[])
            },
            Question {
                operation: None,
                longer_than: Some(HELD_UP),
                ..ask(
                    "slow statement of any name",
                    "",
                    &[("db.system.name", "postgresql")],
                )
            },
            Question {
                longer_than: Some(Duration::from_millis(100)),
                ..ask("queue wait over 100 ms", "queue", &[])
            },
        ]
    }

    /// The traces that log, page and `why` lead to.
    pub fn linked_traces(&self) -> [String; 3] {
        [
            self.trace_of_a_warning(),
            self.trace_of_a_refusal(),
            self.trace_of_a_running_frame(),
        ]
    }

    /// The trace that the last refused launch on the page leads to.
    fn trace_of_a_refusal(&self) -> String {
        let status: serde_json::Value = serde_json::from_str(&self.status).unwrap();
        let launch = status["last_refusals"]["launch"].as_str().unwrap();
        let (_, address) = launch.split_once(", see http://jaeger/trace/").unwrap();
        address[..32].to_owned()
    }

    /// The trace that `why` of the frame that runs leads to.
    fn trace_of_a_running_frame(&self) -> String {
        let why: serde_json::Value = serde_json::from_str(&self.why).unwrap();
        let sentence = why["sentence"].as_str().unwrap();
        let (_, trace) = sentence.split_once(" http://jaeger/trace/").unwrap();
        trace.to_owned()
    }

    /// The trace of the first warning.
    fn trace_of_a_warning(&self) -> String {
        let lines = self.log.lines();
        let lines = lines.filter_map(|line| serde_json::from_str(line).ok());
        let mut warnings = lines.filter(|line: &serde_json::Value| line["level"] == "WARN");
        let id = warnings.find_map(|line| Some(line["trace_id"].as_str()?.to_owned()));
        id.unwrap_or_else(|| panic!("no warning names its trace in\n{}", self.log))
    }
}

trait Named {
    fn layer_name(&self) -> String;
}

impl Named for cue_proto::rqd::RunFrame {
    /// A frame's name is its number and its layer.
    fn layer_name(&self) -> String {
        self.frame_name.split_once('-').unwrap().1.to_owned()
    }
}

async fn pause(yard: &Yard, jobs: &[String], is_paused: bool) {
    sqlx::query("UPDATE job SET b_paused = $1 WHERE pk_job = ANY($2)")
        .bind(is_paused)
        .bind(jobs)
        .execute(&yard.db.pool)
        .await
        .unwrap();
}

/// Runs a farm that gives every question an answer, and exports to `endpoint`.
pub async fn farm(endpoint: &str, protocol: &str) -> Seen {
    let yard = Yard::new(2, SimRqdSettings::default()).await;
    yard.rqd.set_fault_all(Fault::RefuseForNow);
    yard.farm.frames("shot", 1, |_| ()).await.unwrap();
    let mut others = Vec::new();
    for job in ["two", "three", "four"] {
        others.push(yard.farm.frames(job, 1, |_| ()).await.unwrap().id);
    }
    pause(&yard, &others, true).await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("CUE_TRACE_URL", "http://jaeger/trace/{trace_id}"),
        ("CUE_LAYER_LOCK_WORKERS", "1"),
        ("CUE_BATCH_LAYERS", "1"),
        ("CUE_DATABASE_LOCK_TIMEOUT", "30s"),
    ];
    let program = yard.schedule_to(endpoint, &settings).await;
    let refused = r#"scheduler_launches_total{outcome="refused_for_now"} 0"#;
    until("a launch to be refused", async || {
        !program.get("/metrics").await.1.contains(refused)
    })
    .await;
    yard.rqd.set_fault_all(Fault::None);
    yard.launched(1).await;
    let somebody = yard.hold_frames().await;
    pause(&yard, &others, false).await;
    yard.statement_waits_for_a_lock("lock_frames").await;
    // Time itself is what is asked for.
    let began = Instant::now();
    tokio::time::sleep(HELD_UP + HELD_UP / 4).await;
    assert!(began.elapsed() >= HELD_UP);
    somebody.rollback().await.unwrap();
    yard.launched(4).await;
    let launch = yard.rqd.launches()[0].clone();
    let (_, status) = program.get("/status").await;
    let frame = &launch.run_frame.as_ref().unwrap().frame_id;
    let (_, why) = program.get(&format!("/why/{frame}")).await;
    let log = yard.close(program).await;
    Seen {
        launch,
        log,
        status,
        why,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_is_one_search() {
    let collector = Collector::grpc().await;
    let seen = farm(&collector.endpoint(), "grpc").await;
    let spans = collector.spans();
    for question in seen.questions() {
        let found = spans.iter().any(|span| question.matches(span));
        assert!(found, "{question:?} finds nothing");
    }
    for linked in seen.linked_traces() {
        assert!(spans.iter().any(|span| span.trace == linked), "{linked}");
    }
    for trace in collector.traces() {
        trace.assert_sound();
        assert!(trace.len() <= 500);
    }
    let listed = listed_attributes();
    for span in &spans {
        let own = span
            .attributes
            .keys()
            .filter(|name| name.starts_with("cue."));
        for name in own {
            assert!(
                listed.contains(name),
                "{name} of {} is not in the page",
                span.name
            );
        }
    }
    assert_few_operations(spans.iter().map(|span| &*span.name));
}

/// The attributes of our own in the guide.
fn listed_attributes() -> Vec<String> {
    let page = include_str!("../../config/guides/traces.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `cue."));
    let names = rows.filter_map(|row| row.split_once('`'));
    names.map(|(name, _)| format!("cue.{name}")).collect()
}

/// Operations of the service that Jaeger lists, at most, while nothing fails.
const MOST_OPERATIONS: usize = 25;

/// Operations that there are only after a launch that failed.
const AFTER_FAILURES: [&str; 7] = [
    "ask_host",
    "lock_procs",
    "lock_started",
    "settle",
    "take_back",
    "undo_bookings",
    "wait_hosts",
];

/// Checks that the list of operations is one that a person reads through.
pub fn assert_few_operations<'a>(names: impl Iterator<Item = &'a str>) {
    let mut all: std::collections::BTreeSet<&str> = names.collect();
    all.retain(|name| !AFTER_FAILURES.contains(name));
    assert!(all.len() <= MOST_OPERATIONS, "{}: {all:?}", all.len());
}
