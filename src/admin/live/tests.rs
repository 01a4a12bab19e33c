//! Verdicts, and rates over a window, from states and counters that a test sets.

use std::time::Instant;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::verdict::judge;
use super::*;
use crate::status::{
    BookingFailure, Condition, Hosts, LastTurn, Maestro, PauseState, Queue, Stage, Standing, Times,
    Unserved,
};

fn stage(name: &str, (depth, capacity): (u64, u64), (busy, workers): (u64, u64)) -> Stage {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    Stage {
        name: name.to_owned(),
        kind: "stage".to_owned(),
        workers,
        busy,
        queue: Queue { depth, capacity },
        busy_share: share(busy, workers),
        queue_share: share(depth, capacity),
        ..Stage::default()
    }
}

/// A state after five seconds, in each of which this many frames were booked.
fn judged(frames: f64, mut status: Status) -> Status {
    status.frames.per_second = frames;
    judge(&mut status, 5.0);
    status
}

/// The sentence about a pipeline without stages that books nothing.
fn sentence(status: Status) -> String {
    judged(0.0, status).verdict.sentence
}

fn ended(reason: &str, clusters: usize) -> Status {
    let last = LastTurn {
        reason: reason.to_owned(),
        ..LastTurn::default()
    };
    let cluster = Cluster {
        last: Some(last),
        ..Cluster::default()
    };
    Status {
        clusters: vec![cluster; clusters],
        ..Status::default()
    }
}

#[test]
fn the_last_stage_that_is_backed_up_is_the_bottleneck_and_those_before_it_are_held_up() {
    use Standing::{Bottleneck, HeldUp, Idle, Working};
    let mut stages = vec![
        stage("cluster_feed", (0, 0), (1, 1)),
        stage("job_fetch", (4, 4), (2, 2)),
        stage("layer_lock", (30, 32), (2, 2)),
        stage("host_match", (0, 1), (0, 1)),
    ];
    stages[0].kind = "source".to_owned();
    stages[1].per_second = 1.0;
    stages[2].per_second = 1.0;
    stages[2].run_ms.p50 = Some(1500.0);
    let status = judged(
        1.0,
        Status {
            stages,
            ..Status::default()
        },
    );
    let standings: Vec<_> = status.stages.iter().map(|stage| stage.standing).collect();
    assert_eq!(standings, [Working, HeldUp, Bottleneck, Idle]);
    assert_eq!(status.verdict.bottleneck.as_deref(), Some("layer_lock"));
    let wanted = "layer_lock is the bottleneck: its queue is 94 % full, 100 % of its 2 workers are \
                  busy, and the stages before it wait. Half its passes take over 1.5 s.";
    assert_eq!(status.verdict.sentence, wanted);
}

#[test]
fn a_full_queue_before_idle_workers_is_no_bottleneck() {
    let mut stages = vec![stage("dispatch", (2, 2), (1, 4))];
    stages[0].per_second = 1.0;
    let status = Status {
        stages,
        ..Status::default()
    };
    let verdict = judged(5.0, status).verdict;
    assert_eq!(verdict.bottleneck, None);
    let wanted = "No stage holds the others up. The busiest is dispatch, at 25 % of its workers.";
    assert_eq!(verdict.sentence, wanted);
}

#[test]
fn a_full_farm_and_a_farm_without_hosts_or_work_are_named() {
    let farm = |hosts, clusters| Status {
        hosts: Some(hosts),
        ..ended("saturated", clusters)
    };
    let hosts = Hosts {
        known: 2,
        leased: 0,
        idle_centicores: 10_000,
        total_centicores: 123_456_700,
    };
    let full = judged(1.0, farm(hosts, 0)).verdict.sentence;
    assert!(
        full.starts_with("The farm is full: 100 of 1,234,567 cores"),
        "{full}"
    );
    let none = sentence(farm(Hosts::default(), 7));
    assert_eq!(none, "Nothing is being booked: no host is up and open.");
    let cases = [
        (ended("saturated", 0), "no cluster has a frame"),
        (ended("saturated", 1), "one cluster has work"),
        (ended("saturated", 7), "7 clusters have work"),
        (
            ended("query_error", 1),
            "the last turn of one cluster failed.",
        ),
        (
            ended("query_error", 3),
            "the last turns of 3 clusters failed.",
        ),
    ];
    for (status, wanted) in cases {
        let found = sentence(status);
        let wanted = format!("Nothing is being booked: {wanted}");
        assert!(found.starts_with(&wanted), "{found}");
    }
}

#[test]
fn an_outage_is_to_blame_and_no_stage_that_waits_for_it() {
    let failing = BookingFailure {
        reason: "bookings fail: permission denied for table proc".to_owned(),
        seconds: 12,
        ..BookingFailure::default()
    };
    let mut status = Status {
        stages: vec![stage("job_fetch", (4, 4), (2, 2))],
        condition: Condition {
            draining: true,
            database_retry_ms: Some(500),
            maestro_leader: Some(Maestro::default()),
            facility_gone: true,
            booking_failing: Some(failing),
            pauses: vec![PauseState {
                scope: "all".to_owned(),
                by: "ann".to_owned(),
                reason: "the filers are full".to_owned(),
                remaining_ms: 540_000,
                ..PauseState::default()
            }],
        },
        ..Status::default()
    };
    let away = judged(0.0, status.clone()).verdict;
    let wanted = "Nothing can be booked: the database does not answer.";
    assert_eq!((away.bottleneck, &*away.sentence), (None, wanted));
    status.condition.database_retry_ms = None;
    let maestro = sentence(status.clone());
    let wanted = "Maestro plans the same shows: set maestro.enabled=no on every Cuebot. Nothing can be booked: the facility";
    assert!(maestro.starts_with(wanted), "{maestro}");
    status.condition.maestro_leader = None;
    status.condition.facility_gone = false;
    let failing = judged(0.0, status.clone()).verdict;
    let wanted = "Nothing can be booked for 12 s: bookings fail: permission denied for table proc.";
    assert_eq!((failing.bottleneck, &*failing.sentence), (None, wanted));
    status.condition.booking_failing = None;
    status.stages.clear();
    let draining = sentence(status.clone());
    assert!(draining.starts_with("No new turn begins"), "{draining}");
    status.condition.draining = false;
    let paused = sentence(status);
    let wanted = "Booking is paused by ann for 9 min more: the filers are full.";
    assert_eq!(paused, wanted);
}

#[test]
fn work_that_no_host_could_serve_is_added_to_the_sentence() {
    let unserved = Unserved {
        layers: 1_200,
        frames: 5,
        examples: vec!["shot/beauty (tag cuda)".to_owned()],
    };
    let before = sentence(Status::default());
    let after = sentence(Status {
        unserved,
        ..Status::default()
    });
    let added =
        " 1,200 waiting layers have no host that could serve them, as shot/beauty (tag cuda).";
    assert_eq!(after, format!("{before}{added}"));
}

#[test]
fn a_stage_that_finishes_nothing_is_named_whatever_waits_before_it() {
    let judged = |busy, seconds| {
        let stages = vec![
            stage("job_fetch", (0, 4), (0, 2)),
            stage("dispatch", (1, 2), (busy, 4)),
        ];
        let mut status = Status {
            stages,
            ..Status::default()
        };
        judge(&mut status, seconds);
        (status.verdict.bottleneck, status.verdict.sentence)
    };
    let stuck = "dispatch has finished nothing for 5 s, with 4 of its 4 workers busy.";
    let wanted = format!("{stuck} Nothing passes it.");
    assert_eq!(judged(4, 5.0), (Some("dispatch".to_owned()), wanted));
    let wanted = "Nothing is being booked: dispatch has finished nothing for 5 s, with 1 of its 4 workers busy.";
    assert_eq!(judged(1, 5.0), (None, wanted.to_owned()));
    let idle = "Nothing is being booked: no cluster has a frame that can run now.";
    assert_eq!(judged(0, 5.0), (None, idle.to_owned()));
    assert_eq!(judged(4, 1.0), (None, idle.to_owned()), "too early to say");
}

struct Counters {
    sampler: Sampler,
    statements: IntCounterVec,
    timed: HistogramVec,
    refused: IntCounterVec,
    began: Instant,
}

impl Counters {
    fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, "Help."), labels).unwrap();
            registry.register(Box::new(made.clone())).unwrap();
            made
        };
        let statements = counter("scheduler_db_statements_total", &["statement", "outcome"]);
        let refused = counter("scheduler_booking_refused_total", &["cap"]);
        let opts = HistogramOpts::new("scheduler_stage_run_seconds", "Help.");
        let timed = HistogramVec::new(opts.buckets(vec![1.0, 2.0]), &["stage"]).unwrap();
        registry.register(Box::new(timed.clone())).unwrap();
        Self {
            sampler: Sampler::new(registry),
            statements,
            timed,
            refused,
            began: Instant::now(),
        }
    }

    /// A sample after this time, with one stage.
    fn after(&self, seconds: u64) -> Status {
        let status = Status {
            stages: vec![stage("dispatch", (1, 2), (1, 4))],
            ..Status::default()
        };
        let at = self.began + Duration::from_secs(seconds);
        self.sampler.sample(status, at)
    }
}

#[test]
fn rates_are_growth_over_the_window_and_sums_are_over_all_labels() {
    let counters = Counters::new();
    counters.refused.with_label_values(&["limit"]).inc_by(5);
    let first = counters.after(0);
    assert_eq!(
        (first.refused[0].total, first.refused[0].per_second),
        (5, 0.0)
    );
    counters
        .statements
        .with_label_values(&["a", "ok"])
        .inc_by(6);
    counters
        .statements
        .with_label_values(&["b", "error"])
        .inc_by(4);
    counters.refused.with_label_values(&["job_cores"]).inc_by(8);
    let at = counters.began + Duration::from_secs(2);
    let between = counters.sampler.read(Status::default(), at);
    assert_eq!(between.statements.per_second, 5.0);
    let status = counters.after(4);
    let statements = (status.statements.total, status.statements.per_second);
    assert_eq!(statements, (10, 2.5));
    let refused = status.refused.iter();
    let refused: Vec<_> = refused.map(|cap| (&*cap.name, cap.per_second)).collect();
    assert_eq!(refused, [("job_cores", 2.0), ("limit", 0.0)]);
    let stage = &status.stages[0];
    assert_eq!((stage.busy_share, stage.queue_share), (0.25, 0.5));
}

#[test]
fn quantiles_forget_what_is_older_than_the_window() {
    let counters = Counters::new();
    let run = counters.timed.with_label_values(&["dispatch"]);
    (0..100).for_each(|_| run.observe(1.5));
    let old = counters.after(0);
    assert_eq!(
        old.stages[0].run_ms,
        Times::default(),
        "nothing since the first reading"
    );
    (0..10).for_each(|_| run.observe(0.5));
    let ms = counters.after(1).stages[0].run_ms.p50.unwrap();
    assert!((ms - 500.0).abs() < 1e-9, "{ms}");
    for seconds in 2..20 {
        counters.after(seconds);
    }
    assert_eq!(counters.after(20).stages[0].run_ms, Times::default());
}

#[test]
fn a_sample_of_many_clusters_is_bounded_and_in_the_order_of_their_turns() {
    let cluster = |n: u64| Cluster {
        name: format!("c{n:03}"),
        due_in_ms: (n != 7).then_some(1000 * (n % 3)),
        ..Cluster::default()
    };
    let many = Status {
        clusters: (0..150).rev().map(cluster).collect(),
        ..Status::default()
    };
    let status = bounded(Counters::new().sampler.sample(many, Instant::now()));
    assert_eq!((status.cluster_count, status.clusters.len()), (150, 100));
    let names: Vec<&str> = status.clusters.iter().map(|one| &*one.name).collect();
    assert_eq!(names[..4], ["c000", "c003", "c006", "c007"]);
    assert_eq!(names[99], "c098");
}

#[test]
fn a_state_is_read_back_as_it_was_written() {
    let counters = Counters::new();
    counters.after(0);
    let status = counters.after(1);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
}
