//! Samples made from sections and counters that a test sets, at moments a test names.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use serde_json::{Value, json};

use super::verdict::judge;
use super::*;
use crate::admin::routes::Shown;
use crate::admin::{Exhibits, Section};

fn stage(name: &str, (depth, capacity): (u64, u64), (busy, workers): (u64, u64)) -> StageLine {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    StageLine {
        name: name.to_owned(),
        kind: "stage".to_owned(),
        workers,
        busy,
        queue: Queue { depth, capacity },
        busy_share: share(busy, workers),
        queue_share: share(depth, capacity),
        ..StageLine::default()
    }
}

fn standings(stages: &[StageLine]) -> Vec<Standing> {
    stages.iter().map(|stage| stage.standing).collect()
}

#[test]
fn the_last_stage_that_is_backed_up_is_the_bottleneck_and_those_before_it_are_held_up() {
    let mut stages = [
        stage("cluster_feed", (0, 0), (1, 1)),
        stage("job_fetch", (4, 4), (2, 2)),
        stage("layer_lock", (30, 32), (2, 2)),
        stage("host_match", (0, 1), (0, 1)),
    ];
    stages[0].kind = "source".to_owned();
    stages[1].per_second = 1.0;
    stages[2].per_second = 1.0;
    stages[2].run_ms.p50 = Some(1500.0);
    let verdict = judge(&mut stages, None, Condition::default(), (1.0, 5.0), 0);
    use Standing::{Bottleneck, HeldUp, Idle, Working};
    assert_eq!(standings(&stages), [Working, HeldUp, Bottleneck, Idle]);
    assert_eq!(verdict.bottleneck.as_deref(), Some("layer_lock"));
    let wanted = "layer_lock is the bottleneck: its queue is 94 % full, 100 % of its 2 workers are \
                  busy, and the stages before it wait. Half its passes take over 1.5 s.";
    assert_eq!(verdict.sentence, wanted);
}

#[test]
fn a_full_queue_before_idle_workers_is_no_bottleneck() {
    let mut stages = [stage("dispatch", (2, 2), (1, 4))];
    stages[0].per_second = 1.0;
    let verdict = judge(&mut stages, None, Condition::default(), (5.0, 5.0), 0);
    assert_eq!(verdict.bottleneck, None);
    let wanted = "No stage holds the others up. The busiest is dispatch, at 25 % of its workers.";
    assert_eq!(verdict.sentence, wanted);
}

#[test]
fn a_full_farm_and_a_farm_without_work_are_told_as_such() {
    let hosts = HostsLine {
        known: 2,
        leased: 0,
        idle_centicores: 10_000,
        total_centicores: 123_456_700,
    };
    let full = judge(&mut [], Some(&hosts), Condition::default(), (1.0, 5.0), 0).sentence;
    assert!(
        full.starts_with("The farm is full: 100 of 1,234,567 cores"),
        "{full}"
    );
    let idle = judge(&mut [], None, Condition::default(), (0.0, 5.0), 0).sentence;
    assert!(idle.starts_with("Nothing is being booked"), "{idle}");
    let wanting = |hosts, n| judge(&mut [], hosts, Condition::default(), (0.0, 5.0), n).sentence;
    let seven = wanting(None, 7);
    assert!(
        seven.contains("7 clusters have work") && seven.contains("no room"),
        "{seven}"
    );
    let none = wanting(Some(&HostsLine::default()), 7);
    assert_eq!(none, "Nothing is being booked: no host is up and open.");
}

#[test]
fn a_database_that_is_away_is_to_blame_and_no_stage_that_waits_for_it() {
    let mut stages = [stage("job_fetch", (4, 4), (2, 2))];
    let mut condition = Condition {
        draining: true,
        database_retry_ms: Some(500),
        maestro_leader: None,
        facility_gone: true,
    };
    let away = judge(&mut stages, None, condition, (0.0, 5.0), 0);
    let wanted = "Nothing can be booked: the database does not answer.";
    assert_eq!((away.bottleneck, &*away.sentence), (None, wanted));
    condition.database_retry_ms = None;
    let gone = judge(&mut [], None, condition, (0.0, 5.0), 0).sentence;
    assert!(gone.contains("facility"), "{gone}");
    condition.facility_gone = false;
    let draining = judge(&mut [], None, condition, (0.0, 5.0), 0).sentence;
    assert!(draining.starts_with("No new turn begins"), "{draining}");
}

#[test]
fn a_leader_of_maestro_comes_before_what_a_stage_does_and_after_an_outage() {
    let mut condition = Condition {
        maestro_leader: Some(MaestroLine::default()),
        ..Condition::default()
    };
    let sentence = judge(&mut [], None, condition, (0.0, 5.0), 0).sentence;
    let wanted = "Maestro plans the same shows: set maestro.enabled=no on every Cuebot. Nothing is being booked";
    assert!(sentence.starts_with(wanted), "{sentence}");
    condition.database_retry_ms = Some(1);
    let away = judge(&mut [], None, condition, (0.0, 5.0), 0).sentence;
    assert_eq!(away, "Nothing can be booked: the database does not answer.");
}

#[test]
fn a_stage_that_finishes_nothing_is_named_whatever_waits_before_it() {
    let judged = |busy, seconds| {
        let mut stages = [
            stage("job_fetch", (0, 4), (0, 2)),
            stage("dispatch", (1, 2), (busy, 4)),
        ];
        let verdict = judge(&mut stages, None, Condition::default(), (0.0, seconds), 0);
        (verdict.bottleneck, verdict.sentence)
    };
    let stuck = "dispatch has finished nothing for 5 s, with 4 of its 4 workers busy.";
    let wanted = format!("{stuck} Nothing passes it.");
    assert_eq!(judged(4, 5.0), (Some("dispatch".to_owned()), wanted));
    let wanted = "Nothing is being booked: dispatch has finished nothing for 5 s, with 1 of its 4 workers busy.";
    assert_eq!(judged(1, 5.0), (None, wanted.to_owned()));
    let idle = "Nothing is being booked: no cluster has a frame that can run now.";
    assert_eq!(judged(0, 5.0), (None, idle.to_owned()));
    assert_eq!(judged(4, 1.0), (None, idle.to_owned()), "too early to tell");
}

struct World {
    sampler: Sampler,
    handled: IntCounterVec,
    timed: HistogramVec,
    refused: IntCounterVec,
    began: Instant,
}

fn world(sections: Vec<Section>) -> World {
    let registry = Registry::new();
    let counter = |name: &str, labels: &[&str]| {
        let made = IntCounterVec::new(Opts::new(name, "Help."), labels).unwrap();
        registry.register(Box::new(made.clone())).unwrap();
        made
    };
    let handled = counter("scheduler_db_statements_total", &["statement", "outcome"]);
    let refused = counter("scheduler_booking_refused_total", &["cap"]);
    let opts = HistogramOpts::new("scheduler_stage_run_seconds", "Help.").buckets(vec![1.0, 2.0]);
    let timed = HistogramVec::new(opts, &["stage"]).unwrap();
    registry.register(Box::new(timed.clone())).unwrap();
    let began = Instant::now();
    let shown = Shown {
        exhibits: Exhibits {
            sections,
            ..Exhibits::new(registry)
        },
        started: began,
        newest: Newest::new(CancellationToken::new()),
    };
    World {
        sampler: Sampler::new(Arc::new(shown)),
        handled,
        timed,
        refused,
        began,
    }
}

impl World {
    fn after(&mut self, seconds: u64) -> Sample {
        self.sampler.take(self.began + Duration::from_secs(seconds))
    }
}

fn one_stage() -> Section {
    Section::new("stages", || {
        json!([{ "name": "dispatch", "kind": "stage", "workers": 4, "busy": 1,
                 "queue": { "depth": 1, "capacity": 2 },
                 "items": { "done": 3, "skip": 0, "retry": 0, "fatal": 0, "panic": 0 } }])
    })
}

#[test]
fn rates_are_growth_over_the_window_and_sums_are_over_all_labels() {
    let mut world = world(vec![one_stage()]);
    world.refused.with_label_values(&["limit"]).inc_by(5);
    let first = world.after(0);
    assert_eq!(
        (first.refused[0].total, first.refused[0].per_second),
        (5, 0.0)
    );
    world.handled.with_label_values(&["a", "ok"]).inc_by(6);
    world.handled.with_label_values(&["b", "error"]).inc_by(4);
    world.refused.with_label_values(&["job_cores"]).inc_by(8);
    let sample = world.after(4);
    let statements = (sample.statements.total, sample.statements.per_second);
    assert_eq!(statements, (10, 2.5));
    let refused: Vec<_> = sample
        .refused
        .iter()
        .map(|cap| (&*cap.name, cap.per_second))
        .collect();
    assert_eq!(refused, [("job_cores", 2.0), ("limit", 0.0)]);
    let stage = &sample.stages[0];
    assert_eq!((stage.busy_share, stage.queue_share), (0.25, 0.5));
}

#[test]
fn quantiles_forget_what_is_older_than_the_window() {
    let mut world = world(vec![one_stage()]);
    let run = world.timed.with_label_values(&["dispatch"]);
    (0..100).for_each(|_| run.observe(1.5));
    let old = world.after(0);
    assert_eq!(
        old.stages[0].run_ms,
        Times::default(),
        "nothing since the first reading"
    );
    (0..10).for_each(|_| run.observe(0.5));
    let ms = world.after(1).stages[0].run_ms.p50.unwrap();
    assert!((ms - 500.0).abs() < 1e-9, "{ms}");
    for seconds in 2..20 {
        world.after(seconds);
    }
    assert_eq!(world.after(20).stages[0].run_ms, Times::default());
}

#[test]
fn of_many_clusters_with_work_those_that_booked_are_shown_and_all_are_counted() {
    let clusters = Section::new("clusters", || {
        (0..200)
            .map(|n| {
                let turn = if n < 100 { "waiting" } else { "asleep" };
                let booked = if n >= 90 { 7 } else { 0 };
                let last = json!({ "reason": "booked", "booked": booked });
                let last = if n < 100 { last } else { Value::Null };
                json!({ "name": format!("c{n:03}"), "turn": turn, "due_in_ms": 5, "last": last })
            })
            .collect::<Vec<Value>>()
            .into()
    });
    let clusters = world(vec![clusters]).after(0).clusters;
    let numbers = (clusters.total, clusters.awake, clusters.shown.len());
    assert_eq!(numbers, (200, 100, 40));
    let names: Vec<&str> = clusters.shown.iter().map(|line| &*line.name).collect();
    assert!(names.is_sorted());
    assert_eq!((names[29], names[30], names[39]), ("c029", "c090", "c099"));
    assert_eq!(
        (clusters.asleep.len(), &*clusters.asleep[0].name),
        (40, "c100")
    );
}

#[test]
fn what_is_wrong_comes_from_its_section_and_nothing_is_wrong_without() {
    assert_eq!(world(vec![]).after(0).condition, Condition::default());
    let section = Section::new(
        "condition",
        || json!({ "draining": true, "database_retry_ms": 250 }),
    );
    let condition = world(vec![section]).after(0).condition;
    assert_eq!(
        (condition.draining, condition.database_retry_ms),
        (true, Some(250))
    );
}

#[test]
fn a_sample_is_read_back_as_it_was_written() {
    let mut world = world(vec![one_stage()]);
    world.after(0);
    let sample = world.after(1);
    let text = serde_json::to_string(&sample).unwrap();
    assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
}
