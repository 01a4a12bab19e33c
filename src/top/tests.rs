//! The view on a screen of memory, and its client against a real server.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::admin::live::{
    ClusterLine, Clusters, Count, HostsLine, LastTurn, Queue, Sample, StageLine, Standing, Times,
    Verdict,
};
use crate::admin::{Admin, Exhibits};

fn stage(name: &str, standing: Standing) -> StageLine {
    StageLine {
        name: name.to_owned(),
        kind: "stage".to_owned(),
        workers: 4,
        busy: 4,
        queue: Queue {
            depth: 10_000,
            capacity: 10_000,
        },
        standing,
        per_second: 12_345.0,
        wait_ms: Times {
            p50: Some(0.3),
            p99: Some(4500.0),
        },
        run_ms: Times {
            p50: Some(75.0),
            p99: None,
        },
        ..StageLine::default()
    }
}

fn sample(clusters: usize) -> Sample {
    let names = [
        "cluster_feed",
        "job_fetch",
        "layer_lock",
        "host_match",
        "dispatch",
        "check_in",
    ];
    let standing = |name| match name {
        "dispatch" => Standing::Bottleneck,
        "check_in" => Standing::Idle,
        _ => Standing::HeldUp,
    };
    let shown = (0..clusters).map(|n| ClusterLine {
        name: format!("yard/show{n:02}/alloc:general"),
        turn: "waiting".to_owned(),
        due_in_ms: Some(1500),
        last: Some(LastTurn {
            reason: "booked".to_owned(),
            booked: 100 - n as u64,
            ..LastTurn::default()
        }),
    });
    Sample {
        version: "0.1.0".to_owned(),
        replica: "host-17".to_owned(),
        uptime_seconds: 61,
        dry_run: true,
        verdict: Verdict {
            bottleneck: Some("dispatch".to_owned()),
            sentence: "dispatch is the bottleneck: its queue is 100 % full and 100 % of its 4 \
                       workers are busy, so every stage before it waits."
                .to_owned(),
        },
        stages: names.map(|name| stage(name, standing(name))).into(),
        clusters: Clusters {
            total: 64,
            shown: shown.collect(),
        },
        hosts: Some(HostsLine {
            known: 600,
            leased: 3,
            idle_centicores: 123_400,
            total_centicores: 2_323_200,
        }),
        refused: vec![Count {
            name: "limit".to_owned(),
            total: 1230,
            per_second: 1.0,
        }],
        ..Sample::default()
    }
}

fn state(clusters: usize) -> State {
    let mut state = State::default();
    state.show(sample(clusters));
    state
}

fn screen(state: &State, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| view::draw(state, frame.area(), frame.buffer_mut()))
        .unwrap();
    let all = text(terminal.backend().buffer(), height);
    all.lines().map(str::to_owned).collect()
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn everything_that_matters_is_on_a_small_screen() {
    let lines = screen(&state(30), 80, 24);
    let all = lines.join("\n");
    for wanted in [
        "cue-scheduler 0.1.0  host-17  up 1m 1s  DRY RUN",
        "dispatch is the bottleneck",
        "every stage before it waits.",
        "dispatch     BOTTLENECK",
        "12,345",
        "10000/10000",
        "4.5 s",
        "idle 1,234 of 23,232 cores  hosts 600, 3 with a batch",
        "refused: limit 1,230  launches: none",
        "yard/show00/alloc:general",
        "in 1.5 s",
        "q quit",
        "of 64",
    ] {
        assert!(all.contains(wanted), "{wanted} is missing in\n{all}");
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
}

#[test]
fn any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 80)] {
        screen(&state(3), width, height);
        screen(&State::default(), width, height);
    }
}

#[test]
fn keys_scroll_within_the_clusters_sort_them_and_quit() {
    let mut state = state(3);
    for code in [
        KeyCode::Char('j'),
        KeyCode::Down,
        KeyCode::Down,
        KeyCode::PageDown,
    ] {
        assert!(!state.press(key(code)));
    }
    assert_eq!(state.scrolled, 2);
    state.press(key(KeyCode::Char('k')));
    assert_eq!(state.scrolled, 1);
    state.press(key(KeyCode::Home));
    assert_eq!(state.scrolled, 0);
    let first = |state: &State| state.sample.clusters.shown[0].name.clone();
    state.sample.clusters.shown[2].last.as_mut().unwrap().booked = 7000;
    state.press(key(KeyCode::Char('s')));
    assert_eq!(first(&state), "yard/show02/alloc:general");
    state.show(sample(1));
    assert_eq!(state.scrolled, 0, "fewer clusters than before");
    assert!(state.press(key(KeyCode::Char('q'))));
    assert!(state.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn trouble_is_told_and_the_last_numbers_stay() {
    let mut state = state(2);
    state.trouble = Some("the connection broke".to_owned());
    let all = screen(&state, 80, 24).join("\n");
    assert!(
        all.contains("DISCONNECTED") && all.contains("the connection broke"),
        "{all}"
    );
    assert!(all.contains("yard/show01"), "{all}");
}

#[test]
fn the_plain_text_shows_every_cluster_and_no_keys() {
    let text = plain(&state(30));
    assert!(
        text.contains("yard/show29") && !text.contains("q quit"),
        "{text}"
    );
}

#[tokio::test]
async fn samples_and_answers_come_from_a_real_server() {
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = admin.address().to_string();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(admin.serve(Exhibits::new(prometheus::Registry::new()), stop.clone()));
    let mut samples = Samples::open(&address).await.unwrap();
    let sample = samples.next().await.unwrap();
    assert_eq!(sample.version, env!("CARGO_PKG_VERSION"));
    let answer = get(&address, "/healthz").await.unwrap();
    assert_eq!(
        (answer.code, answer.body.as_str()),
        (200, r#"{"status":"alive"}"#)
    );
    assert_eq!(get(&address, "/nowhere").await.unwrap().code, 404);
    stop.cancel();
    tasks.join_all().await;
    while samples.next().await.is_ok() {}
    let gone = Samples::open(&address).await.unwrap_err();
    assert!(
        gone.to_string()
            .contains(&format!("cannot reach cue-scheduler at {address}")),
        "{gone}"
    );
}

#[tokio::test]
async fn somebody_else_is_told_apart_from_the_service() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-x\r\n")
            .await
            .unwrap();
    });
    let error = Samples::open(&address).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("did not answer as cue-scheduler does: SSH-2.0-x"),
        "{error}"
    );
    tasks.join_all().await;
}
