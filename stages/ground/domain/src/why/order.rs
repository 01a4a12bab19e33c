//! Of several rules that keep something from running, the one that really does is told, with the
//! numbers that were compared.

use super::tests::{frame, told};
use super::*;

#[test]
fn what_is_over_or_under_way_is_told_as_such_even_if_its_job_is_paused_or_over() {
    let about = "frame 0001-render of job shot";
    let hindered = |state: &str| {
        told(|facts, _| {
            frame(facts, state);
            (facts.show_active, facts.paused) = (false, true);
            facts.job_state = "FINISHED".into();
        })
    };
    for (state, does) in [
        ("RUNNING", "runs already on h7"),
        ("SUCCEEDED", "is done; it ran on h7"),
        (
            "DEAD",
            "has failed and used up its retries; it ran last on h7",
        ),
        ("EATEN", "was given up by somebody (eaten)"),
        ("CHECKPOINT", "is at a checkpoint and waits for Cuebot"),
        ("DEPEND", "does not run because show alpha is not active"),
        ("WAITING", "does not run because show alpha is not active"),
    ] {
        assert_eq!(hindered(state), format!("{about} {does}."));
    }
    let done = told(|facts, _| {
        facts.job_state = "FINISHED".into();
        facts.layers[0].counts = Counts {
            total: 2,
            done: 2,
            ..Counts::default()
        };
    });
    assert_eq!(
        done,
        "job shot has no waiting frames: of 2 frames, 0 running, 2 done, 0 waiting for others and 0 failed."
    );
    let paused = told(|facts, _| {
        frame(facts, "DEPEND");
        facts.paused = true;
        facts.layers[0].counts.waiting = 0;
    });
    assert_eq!(
        paused,
        format!("{about} does not run because its job is paused.")
    );
}
