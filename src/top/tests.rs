//! The view on a screen of memory.

mod served;
mod trouble;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::admin::live::{
    AccountsLine, ClusterLine, Clusters, Condition, Count, HostsLine, LastTurn, MaestroLine, Queue,
    ReplicaLine, Sample, StageLine, Standing, Times, Verdict,
};

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

const HOSTS: HostsLine = HostsLine {
    known: 600,
    leased: 3,
    idle_centicores: 123_400,
    total_centicores: 2_323_200,
};

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
    let asleep = (0..34).map(|n| ClusterLine {
        name: format!("yard/show00/hostname:h{n:02}"),
        turn: "asleep".to_owned(),
        ..ClusterLine::default()
    });
    Sample {
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
        clusters: Clusters {
            total: clusters + 34,
            awake: clusters,
            shown: shown.collect(),
            asleep: asleep.collect(),
        },
        replicas: vec![ReplicaLine::default(); 2],
        hosts: Some(HOSTS),
        refused: vec![Count {
            name: "limit".to_owned(),
            words: "limit".to_owned(),
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
        "yard/show00/alloc:general",
        "in 1 s",
        "q quit",
        "not shown: 25 with work, 34 that sleep",
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
    assert_eq!(first(&state), "yard/show00/alloc:general");
    state.press(key(KeyCode::Char('s')));
    assert_eq!(first(&state), "yard/show02/alloc:general");
    state.show(sample(1));
    assert_eq!(state.scrolled, 0, "fewer clusters than before");
    assert!(state.press(key(KeyCode::Char('q'))));
    assert!(state.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn the_end_of_the_list_fills_the_screen() {
    let mut state = state(30);
    state.fit(view::room(&state, 80, 24));
    state.press(key(KeyCode::End));
    let lines = screen(&state, 80, 24);
    let shown = |line: &&String| line.starts_with("yard/");
    assert_eq!(lines.iter().filter(shown).count(), 30 - state.scrolled);
    assert!(lines[21].starts_with("yard/show29"), "{lines:#?}");
}

#[test]
fn clusters_that_sleep_are_folded_and_come_last_when_they_are_not() {
    let mut state = state(2);
    let folded = screen(&state, 80, 24).join("\n");
    assert!(!folded.contains("hostname:h00"), "{folded}");
    assert!(folded.contains("not shown: 34 that sleep"), "{folded}");
    state.press(key(KeyCode::Char('a')));
    let lines = screen(&state, 80, 24);
    let at = |name: &str| lines.iter().position(|line| line.contains(name)).unwrap();
    assert!(at("yard/show01/alloc") < at("yard/show00/hostname:h00"));
    let shown = lines.iter().filter(|line| line.contains("asleep")).count();
    let rest = format!("not shown: {} that sleep", 34 - shown);
    assert!(shown > 0 && lines.contains(&rest), "{rest}\n{lines:#?}");
    state.press(key(KeyCode::End));
    assert!(screen(&state, 80, 24).join("\n").contains("hostname:h33"));
    state.press(key(KeyCode::Char('a')));
    assert_eq!(state.scrolled, 1, "back at the last that is listed");
}

#[test]
fn trouble_is_told_in_one_line_with_its_age_and_the_last_numbers_stay() {
    let mut state = state(2);
    let error = ClientError::Unreachable {
        address: "127.0.0.1:9090".to_owned(),
        source: std::io::ErrorKind::ConnectionRefused.into(),
    };
    state.lose(error.brief(), Duration::from_secs(25));
    state.miss("127.0.0.1:9090", Duration::from_secs(26));
    let lines = screen(&state, 80, 24);
    assert!(lines[0].ends_with("DRY RUN  DISCONNECTED"), "{lines:#?}");
    assert_eq!(
        lines[23],
        "127.0.0.1:9090 cannot be reached; last seen 26 s ago, trying again  q quit"
    );
    assert!(lines.iter().any(|line| line.contains("yard/show01")));
    state.show(sample(2));
    assert!(!screen(&state, 80, 24)[0].contains("DISCONNECTED"));
    state.miss("127.0.0.1:9090", Duration::from_secs(5));
    let foot = &screen(&state, 80, 24)[23];
    assert!(foot.starts_with("127.0.0.1:9090 does not answer; last seen 5 s ago"));
}

#[test]
fn a_long_name_gives_way_to_what_is_wrong() {
    let mut sample = sample(1);
    sample.replica = "a-render-manager-with-a-long-name.example".to_owned();
    sample.condition = Condition {
        draining: true,
        database_retry_ms: Some(400),
        maestro_leader: Some(MaestroLine::default()),
        ..Condition::default()
    };
    let mut state = State::default();
    state.show(sample);
    let title = &screen(&state, 80, 24)[0];
    assert!(
        title.starts_with("cue-scheduler 0.1.0  a-render"),
        "{title}"
    );
    assert!(
        title.ends_with("…  DRY RUN  DRAINING  DATABASE AWAY  MAESTRO"),
        "{title}"
    );
}

#[test]
fn accounts_that_no_replica_compares_are_marked() {
    let titles = [(Some(4_000), 61), (Some(60_000), 90), (None, 61), (None, 5)].map(
        |(checked_ms_ago, uptime_seconds)| {
            let accounts = AccountsLine {
                checked_ms_ago,
                ..AccountsLine::default()
            };
            let mut state = State::default();
            state.show(Sample {
                accounts: Some(accounts),
                uptime_seconds,
                ..sample(1)
            });
            screen(&state, 80, 24)[0].contains("ACCOUNTS UNCHECKED")
        },
    );
    assert_eq!(titles, [false, true, true, false]);
}

#[test]
fn the_plain_text_shows_every_cluster_and_no_keys() {
    let text = plain(&state(30));
    assert!(
        text.contains("yard/show29") && !text.contains("q quit") && text.contains("34 that sleep"),
        "{text}"
    );
}
