//! Picks while hosts are reserved.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cue_domain::order::Order;
use cue_domain::{Host, LayerId};

use crate::tests::fixture::{complete, frames, host, index_of, input, job, key, layer, row, rules};
use crate::{DemandIndex, Pick, PickInput, Reservations, Reserved, Supply};

/// Picks while the first host is reserved for the layer `wide`, which can start in some seconds.
fn pick(index: &DemandIndex, hosts: &[Host], ready_in: u64) -> Pick {
    let now = Instant::now();
    let reserved = Reserved {
        owner: LayerId::from("wide"),
        cluster: key("s"),
        ready_at: now + Duration::from_secs(ready_in),
        is_guess: false,
    };
    let reserved = HashMap::from([(hosts[0].id.clone(), reserved)]);
    let supply = Supply::of(
        hosts,
        |_| cue_domain::Resources::NONE,
        &Reservations::new(reserved),
    );
    let rules = rules(Order::Share);
    let input = PickInput {
        now,
        ..input(&supply, &rules)
    };
    index.pick(&key("s"), &input)
}

/// A layer that asks for whole hosts, one of long frames, and one of short ones.
fn work() -> DemandIndex {
    let mut wide = layer("wide", 1, 1);
    wide.cores_min = cue_domain::Centicores(0);
    let mut rows = [
        row("wide", wide),
        row("long", layer("long", 1, 100)),
        row("short", layer("short", 1, 100)),
    ];
    (rows[1].longest_run_s, rows[2].longest_run_s) = (10, 9);
    let jobs = ["wide", "long", "short"].map(|name| job(name, "s", 1));
    index_of(complete(jobs.to_vec(), rows.to_vec()))
}

#[test]
fn what_is_idle_of_a_reserved_host_goes_to_frames_that_end_in_time() {
    let drains = [host("drains", 20), host("other", 6)];
    let picked = pick(&work(), &drains, 10);
    let mut frames: HashMap<&str, u32> = frames(&picked).into_iter().collect();
    let short = frames.remove("short").unwrap_or_default();
    let long = frames.remove("long").unwrap_or_default();
    assert_eq!(frames, HashMap::new(), "the owner has no room yet");
    assert_eq!(short + long, 26, "nothing stays idle");
    assert!((1..=6).contains(&long), "{long}");
}

#[test]
fn a_reserved_host_that_is_idle_goes_to_its_owner() {
    let picked = pick(&work(), &[host("drained", 64), host("other", 0)], 0);
    assert_eq!(frames(&picked)[0], ("wide", 1));
    assert_eq!(picked.layers.len(), 1, "a whole host leaves nothing");
}
