//! The screens of shows and hosts.

use super::*;
use crate::status::{HostRow, HostState, OldestWait, PauseState, Show, Use, WaitingBy};

fn show(name: &str, held: f64, entitled: f64) -> Show {
    Show {
        facility: "yard".to_owned(),
        show: name.to_owned(),
        held_centicores: 123_400,
        held_share: held,
        entitled_share: entitled,
        waiting_frames: 12_345,
        waiting: vec![WaitingBy {
            reason: "no_fit".to_owned(),
            frames: 12_000,
            ..WaitingBy::default()
        }],
        oldest: Some(OldestWait {
            seconds: 7_200,
            layer: "shot/wide".to_owned(),
        }),
        ..Show::default()
    }
}

fn with_shows() -> State {
    let mut state = State::default();
    state.show(Status {
        shows: vec![show("alpha", 0.25, 0.5), show("beta", 0.5, 0.5)],
        ..sample(30)
    });
    state
}

#[test]
fn shows_come_first_on_a_small_screen_and_clusters_with_a_key() {
    let mut state = with_shows();
    let all = screen(&mut state, 80, 24).join("\n");
    for wanted in [
        "yard/alpha",
        "[##......]  25 % of  50 %",
        "1,234",
        "12,345",
        "2 h",
    ] {
        assert!(all.contains(wanted), "{wanted} is missing in\n{all}");
    }
    assert!(all.contains("dispatch is the bottleneck") && !all.contains("yard/show00"));
    state.press(key(KeyCode::Char('c')));
    let all = screen(&mut state, 80, 24).join("\n");
    assert!(
        all.contains("yard/show00") && !all.contains("yard/alpha"),
        "{all}"
    );
    let wide = screen(&mut with_shows(), 120, 30).join("\n");
    assert!(wide.contains("12,000 no fit"), "{wide}");
    let plain = plain(&mut with_shows());
    assert!(
        plain.contains("yard/alpha") && plain.contains("yard/show00"),
        "{plain}"
    );
}

#[test]
fn hosts_have_a_screen_of_their_own() {
    let mut state = with_shows();
    assert!(!state.press(key(KeyCode::Char('h'))));
    let host = |n: u32| HostRow {
        name: format!("node{n:03}"),
        allocation: "yard.general".to_owned(),
        state: HostState::Locked,
        closed: Some("NIMBY_LOCKED".to_owned()),
        cores: Use {
            used: 800,
            total: 3_200,
        },
        ..HostRow::default()
    };
    state.show_hosts(HostList {
        matching: 100,
        states: [(HostState::Locked, 100)].into(),
        hosts: (0..100).map(host).collect(),
        ..HostList::default()
    });
    let all = screen(&mut state, 150, 24).join("\n");
    for wanted in [
        "hosts 100: 100 locked",
        "node000",
        "[###.......]  25 %",
        "NIMBY_LOCKED",
        "not shown: 82 of 100 hosts",
        "f state (all)",
    ] {
        assert!(all.contains(wanted), "{wanted} is missing in\n{all}");
    }
    state.press(key(KeyCode::Char('f')));
    assert_eq!(state.of_state(), Some(HostState::Down));
    state.press(key(KeyCode::End));
    let all = screen(&mut state, 80, 24).join("\n");
    assert!(all.contains("node099") && !all.contains("node000"), "{all}");
    state.press(key(KeyCode::Char('h')));
    assert!(screen(&mut state, 80, 24).join("\n").contains("yard/alpha"));
}

#[test]
fn a_pause_is_marked_in_the_title_of_every_screen() {
    let mut state = with_shows();
    state.status.condition.pauses = vec![PauseState::default()];
    for _ in 0..2 {
        let lines = screen(&mut state, 80, 24);
        assert!(lines[0].ends_with("PAUSED"), "{}", lines[0]);
        state.press(key(KeyCode::Char('h')));
    }
}
