//! The right job: which one a freed core goes to.

use cue_domain::demand::{DemandRows, WaitingJob, WaitingLayer};
use cue_domain::order::{Order, Standing};
use cue_domain::{Centicores, JobId, LayerId};

use crate::PickInput;
use crate::tests::fixture::{
    NOW_US, complete, frames, host, index_of, input, job, key, layer, pick, row, rules, supply,
    total,
};

/// Jobs of mixed priorities, ages and cores in use, each with a layer of one core.
fn many_jobs(count: i64) -> DemandRows {
    let jobs: Vec<WaitingJob> = (0..count)
        .map(|n| {
            let mut job = job(&format!("job-{n}"), "s", (n * 7919) % 101);
            job.started_us = NOW_US - (n * 104_729) % 1_000_003;
            job.cores = Centicores::cores((n * 31) % 17);
            job.idle_since_us = (job.cores.0 == 0).then_some(job.started_us);
            job
        })
        .collect();
    let layers = (0..count).map(|n| row(&format!("job-{n}"), layer(&format!("layer-{n}"), 1, 100)));
    complete(jobs, layers.collect())
}

fn standing(job: &WaitingJob) -> Standing {
    Standing {
        priority: job.priority,
        started_us: job.started_us,
        idle_since_us: job.idle_since_us,
    }
}

#[test]
fn one_freed_core_goes_to_the_job_of_lowest_rank_among_five_thousand() {
    let rows = many_jobs(5_000);
    for order in [Order::Share, Order::Priority, Order::Fifo] {
        let index = index_of(rows.clone());
        let rules = rules(order);
        let by_rank = |job: &&WaitingJob| {
            let rank = rules.order.rank(&standing(job), job.cores.0, NOW_US);
            (rank, job.id.clone())
        };
        let expected: &JobId = &rows.jobs.iter().min_by_key(by_rank).unwrap().id;
        let pick = index.pick(&key("s"), &input(&supply(&[host("h", 1)]), &rules));
        assert_eq!(&pick.layers[0].job, expected, "{order}");
        assert_eq!(pick.layers[0].frames, 1);
    }
}

#[test]
fn shapes_that_do_not_fit_hide_no_others() {
    let mut rows = complete(
        vec![job("first", "s", 100), job("second", "s", 1)],
        vec![
            row("first", layer("large", 64, 100)),
            row("second", layer("small", 1, 100)),
        ],
    );
    for n in 0..3_000 {
        rows.jobs.push(job(&format!("large-{n}"), "s", 99));
        rows.layers.push(row(
            &format!("large-{n}"),
            layer(&format!("large-{n}"), 64, 9),
        ));
    }
    for order in [Order::Share, Order::Priority, Order::Fifo] {
        let index = index_of(rows.clone());
        let supply = supply(&[host("h", 3)]);
        let pick = index.pick(&key("s"), &input(&supply, &rules(order)));
        assert_eq!(frames(&pick), [("small", 3)], "{order}");
        assert!(pick.has_work);
    }
}

#[test]
fn layers_of_a_job_come_in_dispatch_order() {
    let of = |id: &str, order| {
        let mut layer = layer(id, 1, 2);
        layer.dispatch_order = order;
        row("j", layer)
    };
    let layers = vec![of("a", 9), of("b", -1), of("c", 3), of("d", 3)];
    let index = index_of(complete(vec![job("j", "s", 1)], layers));
    let all = pick(&index, "s", &[host("h", 64)]);
    assert_eq!(frames(&all), [("b", 2), ("c", 2), ("d", 2), ("a", 2)]);
}

#[test]
fn one_turn_serves_every_job_that_is_owed_cores() {
    let jobs = [("heavy", 80), ("light", 30)];
    let rows: Vec<WaitingLayer> = jobs
        .iter()
        .map(|(id, _)| row(id, layer(id, 1, 999)))
        .collect();
    let jobs = jobs.iter().map(|(id, priority)| job(id, "s", *priority));
    let index = index_of(complete(jobs.collect(), rows));
    let hosts: Vec<_> = (0..10).map(|n| host(&format!("h{n}"), 10)).collect();
    let pick = pick(&index, "s", &hosts);
    assert_eq!(total(&pick), 100);
    let heavy = frames(&pick)[0];
    assert_eq!(heavy.0, "heavy");
    assert!(
        (80..=83).contains(&heavy.1),
        "81 % of the cores: {}",
        heavy.1
    );
}

#[test]
fn layers_that_are_set_aside_are_passed_over() {
    let rows = complete(
        vec![job("j", "s", 1)],
        vec![row("j", layer("l", 1, 5)), row("j", layer("m", 1, 5))],
    );
    let index = index_of(rows);
    let supply = supply(&[host("h", 8)]);
    let set_aside = |id: &LayerId| id.as_str() == "l";
    let pick = index.pick(
        &key("s"),
        &PickInput {
            is_set_aside: &set_aside,
            ..input(&supply, &rules(Order::Share))
        },
    );
    assert_eq!(frames(&pick), [("m", 5)]);
}

#[test]
fn a_pick_keeps_within_the_frames_and_layers_of_a_turn() {
    let rows = many_jobs(50);
    let index = index_of(rows.clone());
    let hosts: Vec<_> = (0..9).map(|n| host(&format!("h{n}"), 64)).collect();
    let mut few = rules(Order::Fifo);
    (few.frames, few.layer_frames) = (30, 7);
    let pick = index.pick(&key("s"), &input(&supply(&hosts), &few));
    let expected = [7, 7, 7, 7, 2];
    assert_eq!(
        frames(&pick)
            .iter()
            .map(|(_, frames)| *frames)
            .collect::<Vec<_>>(),
        expected
    );
    let index = index_of(rows);
    few.layers = 3;
    let pick = index.pick(&key("s"), &input(&supply(&hosts), &few));
    assert_eq!(pick.layers.len(), 3);
}
