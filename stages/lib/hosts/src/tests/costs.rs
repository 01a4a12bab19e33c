//! Cost of a search, in hosts that it looks at: for a layer that fits nowhere, about one for each bucket,
//! whatever the number of hosts.

use cue_domain::host::ThreadMode;
use cue_domain::{Centicores, Host, Kib, Layer};

use super::{Wish, host, idle, index_of, layer};
use crate::search::Search;
use crate::{HostIndex, IndexSettings, Ranking, Saturation};

const HOSTS: usize = 5000;

/// Different numbers of idle cores among the hosts.
const BUCKETS: usize = 32;

fn hosts(change: impl Fn(usize, &mut Host)) -> Vec<Host> {
    (0..HOSTS)
        .map(|n| {
            let cores = 3 + n % BUCKETS;
            let mut host = idle(
                &format!("h{n}"),
                cores as i64,
                8 + (n / BUCKETS) as i64 % 50,
            );
            host.total.cores = Centicores::cores(64);
            change(n, &mut host);
            host
        })
        .collect()
}

/// Number of hosts that are looked at for a request that no host fits.
fn looks(index: &HostIndex, order: Saturation, wish: &Wish) -> usize {
    let request = wish.request();
    let looks = [true, false].map(|gpus_last| {
        let search = Search::new(&request, order, gpus_last);
        let fits = index
            .locked()
            .any(|shard| !shard.page(&search, None, 1).is_empty());
        assert!(!fits, "nothing fits");
        search.looks()
    });
    looks[0].max(looks[1])
}

/// One core by minimum, and more by its share of memory.
fn growing() -> Layer {
    Layer {
        cores_min: Centicores::CORE,
        memory_min: Kib::gib(6),
        threadable: true,
        ..layer()
    }
}

#[test]
fn a_layer_that_no_host_can_ever_serve_looks_at_none() {
    let index = index_of(hosts(|n, host| {
        host.idle.gpus = 2;
        host.idle.gpu_memory = Kib::gib(8 + n as i64 % 7);
        host.thread_mode = ThreadMode::All;
    }));
    let of = |change: fn(&mut Layer)| {
        let mut layer = layer();
        layer.threadable = true;
        change(&mut layer);
        Wish::of(layer)
    };
    let mut windows = of(|_| ());
    windows.os = Some("windows");
    for (name, wish) in [
        ("an operating system that is not there", windows),
        ("too many GPUs", of(|layer| layer.gpus_min = 3)),
        (
            "too much GPU memory",
            of(|layer| layer.gpu_memory_min = Kib::gib(15)),
        ),
        (
            "far too much GPU memory",
            of(|layer| layer.gpu_memory_min = Kib::gib(64)),
        ),
        (
            "too much memory",
            of(|layer| layer.memory_min = Kib::gib(65)),
        ),
        (
            "too many cores",
            of(|layer| layer.cores_min = Centicores::cores(35)),
        ),
        ("one thread only", of(|layer| layer.threadable = false)),
    ] {
        assert_eq!(looks(&index, Saturation::default(), &wish), 0, "{name}");
    }
}

#[test]
fn a_layer_that_would_grow_beyond_its_caps_looks_at_a_host_or_two_a_bucket() {
    for memory in [false, true] {
        let order = Saturation { core: true, memory };
        let index = HostIndex::new(IndexSettings {
            strategy: Ranking::Saturation(order),
            ..IndexSettings::default()
        });
        index.apply(index.mark(), hosts(|_, _| ()));
        let mut capped = Wish::of(growing());
        capped.job_remaining = Some(Centicores(199));
        // Its share of the hosts with the most memory is seven cores.
        let least = BUCKETS * (1 + usize::from(memory));
        let looked = looks(&index, order, &capped);
        assert!(looked <= least, "job: {looked} looks");
        let mut poor = Wish::of(growing());
        poor.subscriptions[0].1 = Centicores(199);
        let looked = looks(&index, order, &poor);
        assert!(
            looked > 0 && looked <= least,
            "subscription: {looked} looks"
        );
    }
}

#[test]
fn a_layer_that_fits_the_last_host_only_finds_it_without_looking_at_the_others() {
    let mut farm = hosts(|_, _| ());
    let mut last = host("last");
    last.idle.gpus = 4;
    farm.push(last);
    let index = index_of(farm);
    let wish = Wish::of(Layer {
        gpus_min: 4,
        ..layer()
    });
    let request = wish.request();
    let search = Search::new(&request, Saturation::default(), true);
    let mut found = Vec::new();
    for shard in index.locked() {
        found.extend(shard.page(&search, None, 1));
    }
    let names: Vec<&str> = found.iter().map(|found| &*found.host.name).collect();
    assert_eq!((names, search.looks()), (vec!["last"], 1));
}

#[test]
fn a_host_that_fits_is_not_passed_over_with_one_of_more_memory_that_does_not() {
    let part = |id: &str, cores, gib| {
        let mut host = idle(id, 0, gib);
        host.idle.cores = Centicores(cores);
        host
    };
    // It finds its core and a half on one of two hosts with one whole core.
    let index = index_of(vec![part("less", 120, 32), part("more", 180, 16)]);
    let mut wish = Wish::of(layer());
    wish.layer.cores_min = Centicores(150);
    assert_eq!(&*wish.take(&index).unwrap().name, "more");
    // Its share of a host of four cores is one core, of one of 32 it is all that are idle.
    let mut small = idle("small", 2, 12);
    small.total.cores = Centicores::cores(4);
    let index = index_of(vec![idle("large", 2, 16), small]);
    let mut wish = Wish::of(Layer {
        memory_min: Kib::gib(3),
        ..growing()
    });
    wish.subscriptions[0].1 = Centicores(199);
    assert_eq!(&*wish.take(&index).unwrap().name, "small");
}
