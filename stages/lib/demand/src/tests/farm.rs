//! The farm by show: each reason by example, and the sums against the rows and the picks.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use cue_domain::demand::DemandRows;
use cue_domain::order::Order;
use cue_domain::{BookedLayer, Centicores, Host, HostId, Kib, LayerId, Tag, WaitReason};
use proptest::prelude::*;

use crate::tests::fixture::{
    NOW_US, complete, host, index_of, input, job, key, layer, row, rules, subscription, supply,
};
use crate::{
    DemandIndex, FarmInput, FarmView, PickRules, Reservations, Reserved, ShowView, SomeWork,
    Stranding, Supply,
};

/// A view of a farm with some things that back off.
#[derive(Default)]
struct Looking {
    hosts: Vec<Host>,
    layers: HashMap<LayerId, WaitReason>,
    backing_off: HashMap<HostId, Duration>,
}

impl Looking {
    fn at(hosts: &[Host]) -> Self {
        Self {
            hosts: hosts.to_vec(),
            ..Self::default()
        }
    }

    fn view(&self, index: &DemandIndex) -> FarmView {
        let rules = PickRules {
            cores_follow_memory: true,
            ..rules(Order::Priority)
        };
        index.farm(&FarmInput {
            hosts: &self.hosts,
            whole: &Supply::of_idle_farm(&self.hosts),
            host_backoffs: &self.backing_off,
            layer_backoffs: &self.layers,
            rules: &rules,
            now: Instant::now(),
            now_us: NOW_US,
        })
    }

    /// Frames by reason of the show `s`.
    fn reasons(&self, rows: DemandRows) -> Vec<(&'static str, i64)> {
        reasons(of(&self.view(&index_of(rows)), "s"))
    }
}

fn of<'a>(view: &'a FarmView, show: &str) -> &'a ShowView {
    let mut shows = view.shows.iter();
    shows.find(|view| &*view.cluster.show_name == show).unwrap()
}

fn reasons(show: &ShowView) -> Vec<(&'static str, i64)> {
    let waiting = show.waiting.iter();
    waiting
        .map(|(reason, of)| (reason.code(), of.frames))
        .collect()
}

/// Ten frames of four cores in one layer, measured.
fn waiting() -> DemandRows {
    let mut row = row("j", layer("l", 4, 10));
    row.is_measured = true;
    complete(vec![job("j", "s", 1)], vec![row])
}

#[test]
fn frames_that_hosts_have_room_for_are_next_and_the_others_come_later() {
    let found = Looking::at(&[host("h", 9)]).reasons(waiting());
    assert_eq!(found, [("can_run", 2), ("order", 8)]);
}

#[test]
fn a_farm_without_room_is_full_or_in_pieces() {
    let full = Looking::at(&[host("h", 0), host("i", 3)]);
    assert_eq!(full.reasons(waiting()), [("capacity", 10)]);
    let pieces = Looking::at(&[host("h", 2), host("i", 3)]);
    assert_eq!(pieces.reasons(waiting()), [("no_fit", 10)]);
    let view = pieces.view(&index_of(waiting()));
    let stranded: Vec<_> = view
        .facilities
        .values()
        .flat_map(|of| &of.stranded)
        .collect();
    assert_eq!(stranded, [(&Stranding::Cores, &Centicores::cores(5))]);
}

#[test]
fn each_rule_has_its_reason() {
    type Change = fn(&mut DemandRows, &mut Looking);
    let cases: [(&str, Change); 11] = [
        ("no_host", |rows, _| {
            rows.layers[0].layer.tags = [Tag::from("nowhere")].into();
        }),
        ("no_host", |rows, _| {
            rows.layers[0].layer.memory_min = Kib::gib(300)
        }),
        ("no_host", |rows, _| rows.jobs[0].os = Some("plan9".into())),
        ("show_burst", |rows, _| {
            rows.subscriptions = vec![subscription("s", "a", (10, 10, 7))];
        }),
        ("no_subscription", |rows, _| rows.subscriptions.clear()),
        ("folder_cap", |rows, _| {
            rows.jobs[0].folder_room.cores = Some(Centicores(399));
        }),
        ("job_cap", |rows, _| {
            rows.jobs[0].room.cores = Some(Centicores(300))
        }),
        ("backoff", |_, looking| {
            looking.layers.insert("l".into(), WaitReason::Backoff);
        }),
        ("limit", |_, looking| {
            looking.layers.insert("l".into(), WaitReason::Limit);
        }),
        ("hosts_back_off", |_, looking| {
            looking
                .backing_off
                .insert("h".into(), Duration::from_secs(9));
        }),
        ("trial", |rows, _| {
            rows.layers[0].layer.cores_min = Centicores::CORE;
            (rows.layers[0].is_measured, rows.layers[0].running) = (false, 8);
        }),
    ];
    for (reason, change) in cases {
        let (mut rows, mut looking) = (waiting(), Looking::at(&[host("h", 60)]));
        change(&mut rows, &mut looking);
        assert_eq!(looking.reasons(rows), [(reason, 10)]);
    }
}

#[test]
fn idle_cores_that_are_owed_to_another_show_are_a_matter_of_shares() {
    let mut rows = waiting();
    rows.jobs.push(job("o", "other", 1));
    rows.layers.push(row("o", layer("ol", 4, 10)));
    rows.subscriptions = vec![
        subscription("s", "a", (10, 1_000, 90)),
        subscription("other", "a", (90, 1_000, 10)),
    ];
    let view = Looking::at(&[host("h", 8)]).view(&index_of(rows));
    assert_eq!(reasons(of(&view, "s")), [("share", 10)]);
    assert_eq!(of(&view, "s").held, Centicores::cores(90));
    // Of 64 cores the small show is owed 6.4 and the large one what it can use.
    let entitled = |show| of(&view, show).entitled.0;
    assert_eq!(entitled("other"), 5_000);
    assert_eq!(entitled("s"), 1_400);
}

#[test]
fn reserved_hosts_are_for_their_owner() {
    let mut rows = waiting();
    rows.layers[0].layer.cores_min = Centicores::cores(40);
    let mut other = row("j", layer("small", 1, 3));
    other.is_measured = true;
    rows.layers.push(other);
    let index = index_of(rows);
    let reserved = Reserved {
        owner: "l".into(),
        cluster: key("s"),
        ready_at: Instant::now() + Duration::from_secs(600),
        is_guess: false,
    };
    let reserved: HashMap<HostId, Reserved> = [("h".into(), reserved)].into();
    index.reserve(Reservations::new(reserved));
    let view = Looking::at(&[host("h", 20)]).view(&index);
    let show = of(&view, "s");
    let expected = [("reserved", 10), ("reserved_for_other", 3)];
    assert_eq!(reasons(show), expected);
    assert_eq!(show.reserved_hosts, 1);
    let stranded = view.facilities.values().map(|of| of.stranded.clone());
    let expected = BTreeMap::from([(Stranding::Reserved, Centicores::cores(20))]);
    assert_eq!(stranded.collect::<Vec<_>>(), [expected]);
}

#[test]
fn cores_beside_idle_gpus_are_kept_for_work_with_gpus() {
    let mut rows = waiting();
    let mut with_gpu = layer("with", 4, 1);
    (with_gpu.gpus_min, with_gpu.memory_min) = (1, Kib::gib(60));
    rows.layers.push(row("j", with_gpu));
    let mut host = host("h", 4);
    (host.total.gpus, host.idle.gpus) = (1, 1);
    // The memory of the work with GPUs is still in use.
    host.idle.memory = Kib::gib(20);
    let looking = Looking::at(&[host]);
    let index = index_of(rows);
    let view = looking.view(&index);
    let found = reasons(of(&view, "s"));
    assert!(found.contains(&("gpu_protected", 10)), "{found:?}");
    let stranded: Vec<_> = view
        .facilities
        .values()
        .flat_map(|of| &of.stranded)
        .collect();
    assert_eq!(
        stranded,
        [(&Stranding::GpuProtected, &Centicores::cores(4))]
    );
}

#[test]
fn idle_cores_without_memory_are_stranded_and_those_that_nothing_waits_for_are_not() {
    let mut bare = host("h", 10);
    bare.idle.memory = Kib(1_000);
    let mut quiet = host("q", 10);
    quiet.tags = [Tag::from("quiet")].into();
    let view = Looking::at(&[bare, quiet, host("r", 10)]).view(&index_of(waiting()));
    let stranded: Vec<_> = view
        .facilities
        .values()
        .flat_map(|of| &of.stranded)
        .collect();
    assert_eq!(stranded, [(&Stranding::Memory, &Centicores::cores(10))]);
}

#[test]
fn the_layer_that_has_waited_longest_is_named() {
    let mut rows = waiting();
    rows.jobs[0].started_us = NOW_US - 90_000_000;
    rows.layers.push(row("j", layer("late", 4, 1)));
    rows.layers[1].stopped_us = Some(NOW_US - 10_000_000);
    let view = Looking::at(&[host("h", 0)]).view(&index_of(rows));
    let oldest = of(&view, "s").oldest().unwrap();
    assert_eq!((&*oldest.name, oldest.waited.as_secs()), ("j/l", 90));
}

#[test]
fn a_show_that_holds_cores_is_seen_though_nothing_of_it_waits() {
    let mut rows = waiting();
    rows.subscriptions
        .push(subscription("old", "a", (10, 10, 3)));
    rows.subscriptions
        .push(subscription("quiet", "a", (10, 10, 0)));
    let view = Looking::at(&[host("h", 0)]).view(&index_of(rows));
    let names: Vec<&str> = view
        .shows
        .iter()
        .map(|show| &*show.cluster.show_name)
        .collect();
    assert_eq!(names, ["old", "s"]);
    assert_eq!(of(&view, "old").entitled, Centicores::cores(3));
}

#[test]
fn work_for_a_host_is_split_by_what_fits_now_when_empty_and_never() {
    let mut rows = waiting();
    rows.layers.push(row("j", layer("wide", 40, 2)));
    rows.layers.push(row("j", layer("huge", 80, 1)));
    let mut elsewhere = layer("elsewhere", 1, 9);
    elsewhere.tags = [Tag::from("gpu")].into();
    rows.layers.push(row("j", elsewhere));
    let index = index_of(rows);
    let work = index.work_for(&host("h", 6));
    let counts = |work: &SomeWork| (work.layers, work.frames, work.example.clone());
    assert_eq!(counts(&work.admitted), (3, 13, Some("j/l".to_owned())));
    assert_eq!(counts(&work.when_empty), (2, 12, Some("j/l".to_owned())));
    assert_eq!(counts(&work.now), (1, 10, Some("j/l".to_owned())));
    assert_eq!(index.work_for(&host("h", 0)).now, SomeWork::default());
}

#[test]
fn a_layer_has_a_place_in_the_order_of_its_show() {
    let jobs = vec![job("low", "s", 1), job("high", "s", 9)];
    let layers = ["l1", "l2"].map(|id| row("low", layer(id, 1, 2)));
    let mut layers = layers.to_vec();
    layers.push(row("high", layer("h", 1, 2)));
    let index = index_of(complete(jobs, layers));
    let whole = Supply::of_idle_farm(&[host("h", 0)]);
    let rules = rules(Order::Priority);
    let place = |layer: &str| index.place(&LayerId::from(layer), &input(&whole, &rules));
    assert_eq!(place("h"), Some((1, 3)));
    assert_eq!(place("l1"), Some((2, 3)));
    assert_eq!(place("l2"), Some((3, 3)));
    assert_eq!(place("unknown"), None);
}

proptest! {
    /// Every waiting frame has one reason, and those that are next are those that a turn would serve.
    #[test]
    fn every_frame_has_one_reason_and_the_next_ones_are_those_of_the_next_turn(
        held in [0..60i64, 0..60],
        idle in proptest::collection::vec(0..12i64, 1..4),
        layers in proptest::collection::vec((0..3usize, 1..6i64, 1..9i64, 0..4i64), 1..8),
        turn in any::<bool>(),
    ) {
        let shows = ["a", "b", "b"];
        let jobs = (0..3).map(|n| job(&format!("j{n}"), shows[n], n as i64)).collect();
        let of_layers = layers.iter().enumerate().map(|(n, (job, cores, frames, memory))| {
            let mut layer = layer(&format!("l{n}"), *cores, *frames);
            layer.memory_min = Kib::gib(memory * 10);
            let mut row = row(&format!("j{job}"), layer);
            row.is_measured = true;
            row
        });
        let mut rows = complete(jobs, of_layers.collect());
        rows.subscriptions = vec![
            subscription("a", "a", (20, 64, held[0])),
            subscription("b", "a", (40, 64, held[1])),
        ];
        let index = index_of(rows);
        let hosts: Vec<Host> = idle.iter().enumerate().map(|(n, idle)| host(&format!("h{n}"), *idle)).collect();
        let (supply, rules) = (supply(&hosts), rules(Order::Priority));
        if turn {
            let pick = index.pick(&key("a"), &input(&supply, &rules));
            let booked = pick.layers.iter().map(|picked| BookedLayer {
                layer: picked.layer.clone(),
                job: picked.job.clone(),
                frames: u64::from(picked.frames),
                cores: Vec::new(),
            });
            index.turn_ended(&key("a"), &booked.collect::<Vec<_>>());
        }
        let view = Looking::at(&hosts).view(&index);
        for show in ["a", "b"] {
            let of_show = |job: &usize| shows[*job] == show;
            let expected: i64 = layers.iter().filter(|(job, ..)| of_show(job)).map(|(_, _, frames, _)| frames).sum();
            let found = view.shows.iter().find(|view| &*view.cluster.show_name == show);
            prop_assert_eq!(found.map_or(0, ShowView::frames), expected);
            let total = Centicores::cores(64 * hosts.len() as i64);
            prop_assert!(found.is_none_or(|view| view.entitled <= total));
        }
        if !turn {
            let next = |show: &str| {
                let found = view.shows.iter().find(|view| &*view.cluster.show_name == show);
                found.and_then(|view| Some(view.waiting.get(&WaitReason::CanRun)?.frames)).unwrap_or(0)
            };
            for show in ["a", "b"] {
                let pick = index.pick(&key(show), &input(&supply, &rules));
                index.turn_ended(&key(show), &[]);
                let picked = pick.layers.iter().filter(|picked| !picked.is_spare);
                let frames: u32 = picked.map(|picked| picked.frames).sum();
                prop_assert_eq!(next(show), i64::from(frames), "{}", show);
            }
        }
    }
}
