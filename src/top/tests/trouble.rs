//! What failed and what was refused, on screens of several sizes.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::{sample, screen};
use crate::status::{Count, Items};
use crate::top::state::State;
use crate::top::{draw, plain};

fn refused(name: &str, words: &str, total: u64, per_second: f64) -> Count {
    Count {
        name: name.to_owned(),
        words: words.to_owned(),
        total,
        per_second,
    }
}

/// A farm with caps that refuse and stages that fail.
fn troubled() -> State {
    let mut sample = sample(9);
    sample.refused = vec![
        refused("job_cores", "job cores", 2, 0.0),
        refused("limit", "limit", 1230, 9.0),
        refused("folder_gpus", "folder GPUs", 0, 0.0),
        refused("subscription", "subscription burst", 5, 0.0),
        refused("host", "host too full by now", 4, 0.0),
        refused("host_taken", "host held by another transaction", 3, 0.0),
    ];
    let reasons = [
        ("job_cores", "comp of shot: job cores full, 40.00 of 40.00"),
        ("limit", "sim of shot: limit nuke is used up, 10 of 10 run"),
        (
            "subscription",
            "a layer with a long name of a job with a long name: the subscription of alpha \
             to yard.general has 1200.00 of 1200.00 cores in use",
        ),
    ];
    let owned = |(cap, why): (&str, &str)| (cap.to_owned(), why.to_owned());
    sample.last_refusals = reasons.map(owned).into();
    sample.stages[2].items.skip = 31;
    sample.stages[4].items = Items {
        fatal: 2,
        panic: 1,
        retry: 1012,
        ..Items::default()
    };
    let mut state = State::default();
    state.show(sample);
    state
}

#[test]
fn what_failed_and_what_was_refused_last_is_told_with_its_reason() {
    let all = screen(&mut troubled(), 100, 40).join("\n");
    for wanted in [
        "failed: dispatch 3  retried: dispatch 1,012  skipped: layer_lock 31\n",
        "refused: limit 1,230, subscription burst 5, host too full by now 4, host held by another \
         transaction\n- sim of shot: limit nuke is used up, 10 of 10 run\n- a layer with a long name",
        "\n1200.00 of 1200.00 cores in use\n- comp of shot: job cores full",
    ] {
        assert!(all.contains(wanted), "{wanted} is missing in\n{all}");
    }
    let text = plain(&mut troubled());
    assert!(text.contains("- comp of shot: job cores full"), "{text}");
    assert!(text.contains("yard/show08"), "{text}");
}

#[test]
fn on_a_small_screen_the_cap_that_refuses_most_is_told_and_clusters_keep_their_rows() {
    let mut state = troubled();
    let lines = screen(&mut state, 80, 24);
    let reasons: Vec<&String> = lines.iter().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(
        reasons,
        ["- sim of shot: limit nuke is used up, 10 of 10 run"]
    );
    let shown = |line: &&String| line.starts_with("yard/");
    let clusters = lines.iter().filter(shown).count();
    assert_eq!(clusters, 3, "{lines:#?}");
}

#[test]
fn nothing_is_drawn_in_a_colour_that_may_be_that_of_the_background() {
    let mut terminal = Terminal::new(TestBackend::new(100, 40)).unwrap();
    let mut state = troubled();
    terminal
        .draw(|frame| draw(&mut state, frame.area(), frame.buffer_mut()))
        .unwrap();
    let safe = [Color::Reset, Color::Red, Color::Yellow, Color::Cyan];
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| safe.contains(&cell.fg)));
    assert!(cells.iter().all(|cell| cell.bg == Color::Reset));
}
