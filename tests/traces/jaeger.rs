//! A real Jaeger, version 2: the one on PATH, or the one that the variable JAEGER names.
//!
//! Without one the tests are skipped, and say so. `just jaeger` builds one. Invariant: it listens on loopback, and
//! ends with its test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use cue_scheduler::client;
use cue_simfarm::waiting::until;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::questions::{self, Question, assert_few_operations};

/// A running Jaeger.
struct Jaeger {
    grpc: u16,
    http: u16,
    query: String,
    _process: Child,
    _files: TempDir,
}

/// The program, if there is one.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("JAEGER").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        let all = std::env::split_paths(&path).map(|folder| folder.join("jaeger"));
        all.into_iter().find(|file| file.is_file())
    };
    named.or_else(on_path)
}

/// A port that is free at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Jaeger {
    async fn start(program: &PathBuf) -> Self {
        let [grpc, http, query, other] = std::array::from_fn(|_| free_port());
        let files = TempDir::new().unwrap();
        let file = files.path().join("jaeger.yaml");
        let at = |port: u16| format!("{{ endpoint: \"127.0.0.1:{port}\" }}");
        let (grpc_at, http_at, query_at, other_at) = (at(grpc), at(http), at(query), at(other));
        let settings = format!(
            "service:\n  extensions: [jaeger_storage, jaeger_query]\n  telemetry:\n    \
             metrics: {{ level: none }}\n  pipelines:\n    traces:\n      receivers: [otlp]\n      \
             exporters: [jaeger_storage_exporter]\nextensions:\n  jaeger_storage:\n    backends:\n      \
             memory: {{ memory: {{ max_traces: 10000 }} }}\n  jaeger_query:\n    \
             storage: {{ traces: memory }}\n    http: {query_at}\n    grpc: {other_at}\n\
             receivers:\n  otlp:\n    protocols:\n      grpc: {grpc_at}\n      http: {http_at}\n\
             exporters:\n  jaeger_storage_exporter: {{ trace_storage: memory }}\n"
        );
        std::fs::write(&file, settings).unwrap();
        let log = std::fs::File::create(files.path().join("log")).unwrap();
        let process = Command::new(program)
            .arg(format!("--config={}", file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let jaeger = Self {
            grpc,
            http,
            query: format!("127.0.0.1:{query}"),
            _process: process,
            _files: files,
        };
        until("Jaeger to answer", async || {
            jaeger.get("/api/services").await.is_some()
        })
        .await;
        jaeger
    }

    /// The data of an answer.
    async fn get(&self, path: &str) -> Option<Value> {
        let answer = client::get(&self.query, path).await.ok()?;
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        Some(body["data"].clone())
    }

    async fn search(&self, words: &str) -> Vec<Value> {
        let path = format!("/api/traces?service=cue-scheduler&limit=200&{words}");
        match self.get(&path).await {
            Some(Value::Array(traces)) => traces,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Number of traces that a question finds.
    async fn ask(&self, question: &Question) -> usize {
        let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut words = Vec::new();
        if let Some(operation) = question.operation {
            words.push(format!("operation={operation}"));
        }
        if !question.tags.is_empty() {
            let tags = question.tags.iter().cloned();
            let tags: serde_json::Map<String, Value> = tags
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            words.push(format!("tags={}", plain(&Value::from(tags).to_string())));
        }
        if let Some(least) = question.longer_than {
            words.push(format!("minDuration={}ms", least.as_millis()));
        }
        self.search(&words.join("&")).await.len()
    }
}

/// Every trace is whole: one root, no span without its parent, no warning, at most 500 spans.
fn assert_whole(trace: &Value) {
    let spans = trace["spans"].as_array().unwrap();
    assert!(spans.len() <= 500, "{} spans", spans.len());
    let ids: Vec<&Value> = spans.iter().map(|span| &span["spanID"]).collect();
    let mut roots = 0;
    for span in spans {
        let warnings = &span["warnings"];
        assert!(
            warnings.is_null() || warnings == &Value::Array(Vec::new()),
            "{span}"
        );
        let parents = span["references"].as_array().unwrap().iter();
        let mut parents = parents.filter(|of| of["refType"] == "CHILD_OF");
        match parents.next() {
            Some(parent) => assert!(ids.contains(&&parent["spanID"]), "{span} is an orphan"),
            None => roots += 1,
        }
    }
    assert_eq!(roots, 1, "{trace}");
    assert!(trace["warnings"].is_null(), "{}", trace["warnings"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_is_one_search_in_a_real_jaeger() {
    let Some(program) = program() else {
        println!("SKIPPED: no jaeger on PATH or in JAEGER; a real Jaeger was NOT asked");
        return;
    };
    for protocol in ["grpc", "http/protobuf"] {
        let jaeger = Jaeger::start(&program).await;
        let port = match protocol {
            "grpc" => jaeger.grpc,
            _ => jaeger.http,
        };
        let seen = questions::farm(&format!("http://127.0.0.1:{port}"), protocol).await;
        for question in seen.questions() {
            let found = jaeger.ask(&question).await;
            println!("{protocol}: {} finds {found} traces", question.name);
            assert!(found > 0, "{protocol}: {question:?} finds nothing");
        }
        for linked in seen.linked_traces() {
            let trace = jaeger.get(&format!("/api/traces/{linked}")).await;
            let is_there = trace.is_some_and(|found| found[0]["spans"].is_array());
            assert!(is_there, "{linked}");
        }
        for trace in jaeger.search("").await {
            assert_whole(&trace);
        }
        let operations = jaeger.get("/api/operations?service=cue-scheduler").await;
        let operations = operations.unwrap();
        let names = operations.as_array().unwrap().iter();
        assert_few_operations(names.map(|operation| operation["name"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn jaeger_reads_the_settings_of_the_collectors() {
    let Some(program) = program() else {
        println!("SKIPPED: no jaeger on PATH or in JAEGER; the collectors' files were NOT read");
        return;
    };
    // Jaeger is a collector itself, with the processors that these files name.
    for file in ["otel-collector.yaml", "otel-collector-tail-sampling.yaml"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(file);
        let validate = Command::new(&program)
            .args(["validate", "--config"])
            .arg(&path)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&validate.stderr).into_owned();
        assert!(validate.status.success(), "{file}: {said}");
    }
}
