//! Frames that a turn asked for count while it runs, and those it booked until a reading that began after its end.

use cue_domain::demand::DemandRows;
use cue_domain::{BookedLayer, Centicores};

use crate::DemandIndex;
use crate::tests::fixture::{
    complete, frames, host, index_of, job, key, layer, pick, read, row, subscription, total,
};

fn rows() -> DemandRows {
    complete(vec![job("j", "s", 1)], vec![row("j", layer("l", 1, 10))])
}

/// Ends the turn of the show, which booked this many frames of the layer.
fn end(index: &DemandIndex, (job, layer): (&str, &str), frames: u32) {
    let booked = BookedLayer {
        layer: layer.into(),
        job: job.into(),
        frames: frames.into(),
        cores: vec![("a".into(), Centicores::cores(frames.into()))],
    };
    index.turn_ended(&key("s"), &[booked]);
}

/// Frames that a pick for these idle cores finds.
fn found(index: &DemandIndex, cores: i64) -> u32 {
    total(&pick(index, "s", &[host("h", cores)]))
}

#[test]
fn frames_of_a_turn_count_while_it_runs_and_until_a_reading_that_began_after_its_end() {
    let index = index_of(rows());
    assert_eq!(found(&index, 4), 4);
    let early = index.begin_reading();
    let late = index.begin_reading();
    assert!(!index.apply(early, rows()));
    end(&index, ("j", "l"), 4);
    assert!(!index.apply(late, rows()));
    assert_eq!(found(&index, 64), 6, "four of ten are booked");
    end(&index, ("j", "l"), 6);
    assert_eq!(found(&index, 64), 0);
    end(&index, ("j", "l"), 0);
    assert!(!read(&index, rows()));
    assert_eq!(found(&index, 64), 10, "all turns ended before this reading");
}

#[test]
fn a_turn_that_runs_counts_whatever_is_read() {
    let index = index_of(rows());
    assert_eq!(found(&index, 4), 4);
    for complete in [true, false] {
        let rows = DemandRows { complete, ..rows() };
        assert!(!read(&index, rows));
    }
    assert_eq!(found(&index, 64), 6);
}

#[test]
fn frames_that_a_turn_asked_for_and_did_not_book_can_be_picked_again_at_once() {
    let index = index_of(rows());
    assert_eq!(found(&index, 8), 8);
    end(&index, ("j", "l"), 3);
    assert_eq!(found(&index, 64), 7);
}

#[test]
fn cores_asked_for_count_against_the_cap_of_the_job_and_the_burst_of_the_show() {
    let mut capped = rows();
    capped.jobs[0].room.cores = Some(Centicores::cores(5));
    let index = index_of(capped);
    assert_eq!([found(&index, 3), found(&index, 64)], [3, 2]);
    let mut bursting = rows();
    bursting.subscriptions = vec![subscription("s", "a", (1, 9, 2))];
    let index = index_of(bursting);
    assert_eq!([found(&index, 3), found(&index, 64)], [3, 4]);
}

#[test]
fn a_job_that_was_asked_for_waits_for_those_that_were_not() {
    let index = index_of(complete(
        vec![job("i", "s", 1), job("j", "s", 1)],
        vec![row("i", layer("i1", 1, 9)), row("j", layer("j1", 1, 9))],
    ));
    let picked = |cores| {
        pick(&index, "s", &[host("h", cores)]).layers[0]
            .layer
            .clone()
    };
    assert_eq!(picked(1).as_str(), "i1");
    assert_eq!(picked(1).as_str(), "j1");
}

#[test]
fn spares_use_neither_the_burst_of_the_show_nor_the_cap_of_their_job() {
    let jobs: Vec<String> = (0..9).map(|n| format!("j{n}")).collect();
    let capped = |id: &String| {
        let mut job = job(id, "s", 1);
        job.room.cores = Some(Centicores::CORE);
        job
    };
    let layers = jobs
        .iter()
        .map(|id| row(id, layer(&format!("{id}-l"), 1, 9)));
    let mut rows = complete(jobs.iter().map(capped).collect(), layers.collect());
    rows.subscriptions = vec![subscription("s", "a", (1, 9, 0))];
    let index = index_of(rows);
    for first in ["j0-l", "j1-l", "j2-l"] {
        let pick = pick(&index, "s", &[host("h", 1)]);
        assert_eq!(
            frames(&pick)[0],
            (first, 1),
            "a spare counts only as a frame"
        );
        assert!(pick.layers.len() > 1, "with spares");
        end(&index, (&first[..2], first), 1);
    }
}
