//! Each rule alone keeps a job from running, and has a sentence of its own.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::*;
use crate::Setback;
use crate::backoff::Backoff;
use crate::fit::FitRules;
use crate::host::ThreadMode;
use crate::ids::HostId;
use crate::layer::Layer;
use crate::limits::{Limit, LimitRows};
use crate::tags::Tag;
use crate::units::{Centicores, Kib, Resources};

mod held;
mod hosts;
mod layers;
mod left_out;
mod order;
mod queued;
mod random;
mod reserved;

const ROOM: Resources = Resources {
    cores: Centicores(800),
    memory: Kib(16 * 1_048_576),
    gpus: 1,
    gpu_memory: Kib(1_048_576),
};

pub(super) fn tags(names: &[&str]) -> Arc<[Tag]> {
    names.iter().map(|name| Tag::from(*name)).collect()
}

pub(super) fn layer(name: &str) -> LayerFacts {
    LayerFacts {
        layer: Layer {
            id: name.into(),
            name: name.into(),
            dispatch_order: 1,
            cores_min: Centicores(200),
            cores_max: None,
            memory_min: Kib(4 * 1_048_576),
            gpus_min: 0,
            gpu_memory_min: Kib(0),
            threadable: true,
            services: [].into(),
            tags: tags(&["general"]),
            waiting: 5,
        },
        counts: Counts {
            total: 10,
            waiting: 5,
            ..Counts::default()
        },
        earlier: 0,
        starts_in: None,
        start_reason: None,
        limits: Vec::new(),
        set_aside: None,
        held: None,
        reservations: ReservationFacts::default(),
        queued: None,
    }
}

/// A limit by frames that is enforced.
pub(super) fn limit(name: &str, running: i64, max: Option<i64>) -> LimitFacts {
    LimitFacts {
        name: name.to_owned(),
        enforcement: "ENFORCED".to_owned(),
        reported: 0,
        holders: Vec::new(),
        limit: Limit::new(LimitRows {
            gates: true,
            max,
            pending: running,
            ..LimitRows::default()
        }),
    }
}

fn cap(name: &str, max_cores: i64, max_gpus: i64) -> CapFacts {
    CapFacts {
        name: name.to_owned(),
        max_cores,
        max_gpus,
        ..CapFacts::default()
    }
}

pub(super) fn facts() -> Facts {
    Facts {
        subject: "job shot".to_owned(),
        show: "alpha".to_owned(),
        show_active: true,
        show_managed: true,
        show_booking: true,
        facility: "yard".into(),
        facility_name: "North Yard".to_owned(),
        job_state: "PENDING".to_owned(),
        paused: false,
        os: Some("rocky9".to_owned()),
        job: cap("shot", 10_000, 100),
        folder: cap("comp", -1, -1),
        subscriptions: vec![SubscriptionFacts {
            alloc: "a".into(),
            name: "yard.general".to_owned(),
            cores: 0,
            burst: 20_000,
        }],
        layers: vec![layer("render")],
        frame: None,
        tagged: None,
        ledger_faults: Vec::new(),
        waiting_counts: Vec::new(),
        unread: Vec::new(),
        ahead: 0,
    }
}

pub(super) fn host() -> Host {
    Host {
        id: "h".into(),
        name: "h".into(),
        facility: "yard".into(),
        alloc: "a".into(),
        tags: tags(&["general"]),
        os: ["rocky9".into()].into(),
        thread_mode: ThreadMode::Auto,
        total: ROOM,
        ledger: ROOM,
        idle: ROOM,
        reported_us: 0,
    }
}

pub(super) fn sentence_of(change: impl FnOnce(&mut Facts, &mut Host)) -> String {
    let (mut facts, mut host) = (facts(), host());
    change(&mut facts, &mut host);
    why(&facts, &[host], &scheduler(&FitRules::default())).sentence
}

/// A scheduler that serves everything and has seen nothing.
pub(super) fn scheduler(rules: &FitRules) -> Scheduler<'_> {
    static NONE: LazyLock<HashMap<HostId, Duration>> = LazyLock::new(HashMap::new);
    Scheduler {
        rules,
        facility: None,
        ignored_tags: &[],
        host_backoffs: &NONE,
    }
}

pub(super) fn frame(facts: &mut Facts, state: &str) {
    facts.subject = "frame 0001-render of job shot".to_owned();
    facts.frame = Some(FrameFacts {
        id: "f".to_owned(),
        state: state.to_owned(),
        host: Some("h7".to_owned()),
        depends_on: 2,
        ahead_in_layer: 3,
    });
}

type Change = fn(&mut Facts, &mut Host);

#[test]
fn the_job_as_a_whole_can_be_in_the_way() {
    let cases: [(Change, &str); 7] = [
        (
            |_, _| {},
            "job shot can run now on 1 host, and no frame of show alpha is ahead of it.",
        ),
        (
            |f, _| f.ahead = 12,
            "job shot can run now on 1 host, and 12 frames of show alpha are ahead of it.",
        ),
        (
            |f, _| f.show_active = false,
            "job shot does not run because show alpha is not active.",
        ),
        (
            |f, _| f.show_managed = false,
            "job shot is not for this scheduler: show alpha is booked by Cuebot itself.",
        ),
        (
            |f, _| f.job_state = "FINISHED".into(),
            "job shot does not run because its job is finished, not pending.",
        ),
        (
            |f, _| f.paused = true,
            "job shot does not run because its job is paused.",
        ),
        (
            |f, _| {
                f.layers[0].counts = Counts {
                    total: 9,
                    waiting: 0,
                    running: 4,
                    depend: 2,
                    dead: 1,
                    done: 2,
                }
            },
            "job shot has no waiting frames: of 9 frames, 4 running, 2 done, 2 waiting for others and 1 failed.",
        ),
    ];
    for (change, sentence) in cases {
        assert_eq!(sentence_of(change), sentence);
    }
}

#[test]
fn a_layer_can_be_in_the_way_of_itself() {
    let cases: [(Change, &str); 6] = [
        (
            |f, _| {
                f.layers[0].starts_in = Some(Duration::from_secs(3_725));
                f.layers[0].start_reason = Some("licence night".into());
            },
            "job shot must not start for another 1 h 2 min (licence night).",
        ),
        (
            |f, _| {
                f.layers[0].starts_in = Some(Duration::from_secs(60));
                f.layers[0].start_reason = Some("a\u{1b}[2Jb\nc".into());
            },
            "job shot must not start for another 1 min (a [2Jb c).",
        ),
        (
            |f, _| f.layers[0].set_aside = Some(set_aside(Setback::Launch)),
            "job shot backs off for another 40 s, because hosts refused its launches.",
        ),
        (
            |f, _| {
                let refused = Setback::Refused {
                    code: "22023".into(),
                    message: "no\nsuch proc".into(),
                };
                f.layers[0].set_aside = Some(set_aside(refused));
            },
            "job shot is set aside since 1 min 30 s and for another 40 s, because the database refuses a row of it with SQLSTATE 22023: no such proc.",
        ),
        (
            |f, _| {
                let held = Setback::Held {
                    table: "job_resource".into(),
                    holder: Some("psql (process 7)".into()),
                };
                f.layers[0].set_aside = Some(set_aside(held));
            },
            "job shot is set aside since 1 min 30 s and for another 40 s, because psql (process 7) holds a row of job_resource that it needs.",
        ),
        (
            // Nor does it run when hosts or caps have room again.
            |f, host| {
                f.layers[0].set_aside = Some(set_aside(Setback::Launch));
                f.job.cores = f.job.max_cores;
                host.idle = Resources::default();
            },
            "job shot backs off for another 40 s, because hosts refused its launches.",
        ),
    ];
    for (change, sentence) in cases {
        assert_eq!(sentence_of(change), sentence);
    }
}

#[test]
fn a_frame_that_does_not_wait_says_what_it_does() {
    let of = |state: &str| sentence_of(|facts, _| frame(facts, state));
    let about = "frame 0001-render of job shot";
    assert_eq!(of("RUNNING"), format!("{about} runs already on h7."));
    assert_eq!(
        of("DEPEND"),
        format!("{about} waits for 2 dependencies to be done first.")
    );
    assert_eq!(
        of("EATEN"),
        format!("{about} was given up by somebody (eaten).")
    );
    assert_eq!(
        of("WAITING"),
        format!("{about} can run now on 1 host, and 3 frames of show alpha are ahead of it.")
    );
    assert_eq!(of("ODD"), format!("{about} is in state odd."));
}

#[test]
fn caps_are_named_with_their_usage() {
    let cases: [(Change, &str); 9] = [
        (
            |f, _| f.subscriptions.clear(),
            "job shot cannot run because show alpha has no subscription to any allocation of its facility.",
        ),
        (
            |f, _| f.subscriptions[0].cores = 19_900,
            "job shot waits because show alpha uses 199 of its 200 cores of allocation yard.general, and a frame takes at least 2.",
        ),
        (
            |f, _| (f.folder.max_cores, f.folder.cores) = (4_000, 3_950),
            "job shot waits because folder comp uses 39.5 of at most 40 cores, and a frame takes at least 2.",
        ),
        (
            |f, _| f.folder.max_cores = 0,
            "job shot cannot run because folder comp has a cap of 0 cores, which admits nothing.",
        ),
        (
            |f, _| f.job.max_cores = 0,
            "job shot cannot run because job shot has a cap of 0 cores, which admits nothing.",
        ),
        (
            |f, _| f.job.cores = 9_900,
            "job shot waits because job shot uses 99 of at most 100 cores, and a frame takes at least 2.",
        ),
        (
            |f, _| f.job.gpus = 101,
            "job shot waits because job shot uses 101 of at most 100 GPUs, and a frame takes 0.",
        ),
        (
            |f, _| f.layers[0].limits = vec![limit("arnold", 8, Some(8))],
            "job shot waits because limit arnold is reached: 8 of 8 are running.",
        ),
        (
            |f, _| f.layers[0].limits = vec![limit("arnold", 0, None)],
            "job shot cannot run because limit arnold has no maximum, which admits nothing.",
        ),
    ];
    for (change, sentence) in cases {
        assert_eq!(sentence_of(change), sentence);
    }
}

fn set_aside(reason: Setback) -> Backoff {
    Backoff {
        since: Duration::from_secs(90),
        remaining: Duration::from_secs(40),
        reason,
    }
}
