//! The view on a screen of memory.

mod screens;
mod served;
mod trouble;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::status::{
    Accounts, Cluster, Condition, Count, Hosts, LastTurn, Maestro, Queue, Replica, Stage, Standing,
    Status, Times, Verdict,
};

fn stage(name: &str, standing: Standing) -> Stage {
    Stage {
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
        queue_wait_ms: Times {
            p50: Some(0.3),
            p99: Some(4500.0),
        },
        run_ms: Times {
            p50: Some(75.0),
            p99: None,
        },
        ..Stage::default()
    }
}

const HOSTS: Hosts = Hosts {
    known: 600,
    leased: 3,
    idle_centicores: 123_400,
    total_centicores: 2_323_200,
};

fn sample(clusters: usize) -> Status {
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
    let shown = (0..clusters).map(|n| Cluster {
        name: format!("yard/show{n:02}"),
        due_in_ms: Some(1500),
        last: Some(LastTurn {
            reason: "booked".to_owned(),
            booked: 100 - n as u64,
            ..LastTurn::default()
        }),
        ..Cluster::default()
    });
    Status {
        version: "0.1.0".to_owned(),
        replica: "host-17".to_owned(),
        uptime_seconds: 61,
        dry_run: true,
        verdict: Verdict {
            bottleneck: Some("dispatch".to_owned()),
            sentence:
                "dispatch is the bottleneck: its queue is 100 % full, 100 % of its 4 workers \
                       are busy, and the stages before it wait. Half its passes take over 4.5 s."
                    .to_owned(),
        },
        stages: names.map(|name| stage(name, standing(name))).into(),
        cluster_count: clusters + 34,
        clusters: shown.collect(),
        replicas: vec![Replica::default(); 2],
        hosts: Some(HOSTS),
        refused: vec![Count {
            name: "limit".to_owned(),
            words: "limit".to_owned(),
            total: 1230,
            per_second: 1.0,
        }],
        ..Status::default()
    }
}

fn state(clusters: usize) -> State {
    let mut state = State::default();
    state.show(sample(clusters));
    state
}

fn screen(state: &mut State, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(state, frame.area(), frame.buffer_mut()))
        .unwrap();
    rows(terminal.backend().buffer())
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn everything_that_matters_is_on_a_small_screen() {
    let lines = screen(&mut state(30), 80, 24);
    let all = lines.join("\n");
    for wanted in [
        "cue-scheduler 0.1.0  host-17  up 1m 1s     ",
        "    DRY RUN",
        "dispatch is the bottleneck",
        "Half its passes take over 4.5 s.",
        "dispatch     BOTTLENECK",
        "12,345",
        "10000/10000",
        "4.5 s",
        "idle 1,234 of 23,232 cores  hosts 600, 3 with a batch  replicas 2",
        "failed: none  retried: none  skipped: none",
        "refused: limit 1,230",
        "launches: none",
        "yard/show00",
        "in 1 s",
        "q quit",
        "not shown: 60 of 64 clusters with work",
    ] {
        assert!(all.contains(wanted), "{wanted} is missing in\n{all}");
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
}

#[test]
fn any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 80)] {
        screen(&mut state(3), width, height);
        screen(&mut State::default(), width, height);
    }
}

/// Clusters on a small screen.
fn drawn(state: &mut State) -> Vec<String> {
    let lines = screen(state, 80, 24).into_iter();
    lines.filter(|line| line.starts_with("yard/")).collect()
}

#[test]
fn keys_scroll_within_the_clusters_sort_them_and_quit() {
    let mut state = state(30);
    let all = drawn(&mut state).len();
    let first = |state: &mut State| drawn(state)[0][..11].to_owned();
    for code in [KeyCode::Char('j'), KeyCode::Down, KeyCode::PageDown] {
        assert!(!state.press(key(code)));
    }
    state.press(key(KeyCode::Char('k')));
    assert_eq!(first(&mut state), "yard/show11");
    state.press(key(KeyCode::End));
    let end = drawn(&mut state);
    assert_eq!(end.len(), all, "the end of the list fills the screen");
    assert!(end[all - 1].starts_with("yard/show29"), "{end:#?}");
    state.press(key(KeyCode::Home));
    assert_eq!(first(&mut state), "yard/show00");
    state.status.clusters[2].last.as_mut().unwrap().booked = 7000;
    state.press(key(KeyCode::Char('s')));
    assert_eq!(first(&mut state), "yard/show00");
    state.press(key(KeyCode::Char('s')));
    assert_eq!(first(&mut state), "yard/show02");
    state.press(key(KeyCode::End));
    state.show(sample(1));
    assert_eq!(
        first(&mut state),
        "yard/show00",
        "fewer clusters than before"
    );
    assert!(state.press(key(KeyCode::Char('q'))));
    assert!(state.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn clusters_on_the_screen_and_those_that_are_not_add_up() {
    let mut state = state(30);
    let foot = |state: &mut State| {
        let shown = drawn(state).len();
        (shown, screen(state, 80, 24)[22].clone())
    };
    let (shown, line) = foot(&mut state);
    assert!(shown > 0 && shown < 30, "{shown}");
    let hidden = 64 - shown;
    assert_eq!(
        line,
        format!("not shown: {hidden} of 64 clusters with work")
    );
    state.status.clusters.truncate(shown - 1);
    state.status.cluster_count = shown - 1;
    let all = format!("all {} clusters with work are shown", shown - 1);
    assert_eq!(foot(&mut state), (shown - 1, all));
    state.show(Status::default());
    assert_eq!(foot(&mut state), (0, "no cluster has work".to_owned()));
}

#[test]
fn columns_are_left_out_whole_and_the_last_ones_first() {
    for (width, last) in [
        (79, "p99"),
        (72, "waited"),
        (60, "run"),
        (51, "items/s"),
        (40, "busy"),
    ] {
        let lines = screen(&mut state(1), width, 30);
        let head = lines
            .iter()
            .find(|line| line.starts_with("stage "))
            .unwrap();
        assert!(head.ends_with(last), "{width}: {head}");
    }
}

#[test]
fn trouble_is_told_in_one_line_with_its_age_and_the_last_numbers_stay() {
    let mut state = state(2);
    let error = ClientError::Unreachable(
        "127.0.0.1:9090".to_owned(),
        std::io::ErrorKind::ConnectionRefused.into(),
    );
    state.lose(Some(error.brief()), Duration::from_secs(25));
    state.lose(None, Duration::from_secs(26));
    let lines = screen(&mut state, 80, 24);
    assert!(lines[0].ends_with("DRY RUN  DISCONNECTED"), "{lines:#?}");
    assert_eq!(
        lines[23],
        "127.0.0.1:9090 cannot be reached; last seen 26 s ago, trying again  q quit"
    );
    assert!(lines.iter().any(|line| line.contains("yard/show01")));
    state.show(sample(2));
    assert!(!screen(&mut state, 80, 24)[0].contains("DISCONNECTED"));
    state.lose(None, Duration::from_secs(5));
    let foot = &screen(&mut state, 80, 24)[23];
    assert!(foot.starts_with("the service does not answer; last seen 5 s ago"));
}

#[test]
fn a_long_name_gives_way_to_what_is_wrong() {
    let mut sample = sample(1);
    sample.replica = "a-render-manager-with-a-long-name.example".to_owned();
    sample.condition = Condition {
        draining: true,
        database_retry_ms: Some(400),
        maestro_leader: Some(Maestro::default()),
        ..Condition::default()
    };
    let mut state = State::default();
    state.show(sample);
    let title = &screen(&mut state, 80, 24)[0];
    assert!(
        title.starts_with("cue-scheduler 0.1.0  a-render"),
        "{title}"
    );
    assert!(
        title.ends_with("  DRY RUN  DRAINING  DATABASE AWAY  MAESTRO"),
        "{title}"
    );
}

#[test]
fn accounts_that_no_replica_compares_are_marked() {
    let titles = [(Some(4_000), 61), (Some(60_000), 90), (None, 61), (None, 5)].map(
        |(checked_ms_ago, uptime_seconds)| {
            let accounts = Accounts {
                checked_ms_ago,
                ..Accounts::default()
            };
            let mut state = State::default();
            state.show(Status {
                accounts: Some(accounts),
                uptime_seconds,
                ..sample(1)
            });
            screen(&mut state, 80, 24)[0].contains("ACCOUNTS UNCHECKED")
        },
    );
    assert_eq!(titles, [false, true, true, false]);
}

#[test]
fn the_plain_text_shows_every_cluster_and_no_keys() {
    let text = plain(&mut state(30));
    assert!(
        text.contains("yard/show29")
            && !text.contains("q quit")
            && text.contains("not shown: 34 of 64"),
        "{text}"
    );
}
