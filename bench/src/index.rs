//! `bench index`: the host index alone, in memory: hosts lent and checked in by several threads, and
//! snapshots taken in while they are.
//!
//! The threads are those of several host-match workers at work all the time, which is far more than a
//! pipeline asks for. In one case all look for hosts of one allocation, in the other each has an
//! allocation of its own.

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use cue_domain::fit::FitRules;
use cue_domain::host::ThreadMode;
use cue_domain::messages::HostLease;
use cue_domain::{
    AllocId, Centicores, FacilityId, Host, HostId, Kib, Layer, LayerId, Resources, Tag,
};
use cue_hosts::{HostIndex, IndexSettings, Want};
use serde::Serialize;

use crate::stats::{Spread, count, markdown, percentile};

/// What the benchmark can be told.
#[derive(Clone, Debug, Args)]
pub struct IndexOptions {
    /// Hosts of the farm; may be given several times
    #[arg(long, default_values_t = [1_000, 15_000, 100_000])]
    pub hosts: Vec<usize>,
    /// Threads that borrow hosts; may be given several times
    #[arg(long, default_values_t = [1, 2, 4, 8].map(|n| NonZeroUsize::MIN.saturating_add(n - 1)))]
    pub threads: Vec<NonZeroUsize>,
    /// Hosts each thread borrows in a round
    #[arg(long, default_value_t = 50_000)]
    pub loans: u64,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// One number of hosts and threads, measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// Hosts in the index.
    pub hosts: usize,
    /// Threads that borrowed.
    pub threads: usize,
    /// Hosts lent and checked in a second by all threads together, all of one allocation.
    pub same: Spread,
    /// The same, each thread in an allocation of its own.
    pub disjoint: Spread,
    /// A match, microseconds, half of them sooner; all threads in one allocation.
    pub match_us: Spread,
    /// A check-in, likewise.
    pub check_in_us: Spread,
    /// The slowest of a thousand loans while snapshots came without pause, microseconds.
    pub beside_snapshots_p999_us: f64,
    /// Taking in a snapshot in which every host changed, milliseconds, while the threads borrowed.
    pub snapshot_ms: Spread,
}

/// Allocations of the farm: one for each thread, and a few to spare.
const ALLOCATIONS: usize = 16;

/// Measures.
///
/// # Errors
/// A host was not to be had, or got lost.
pub fn run(options: &IndexOptions) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &hosts in &options.hosts {
        for &threads in &options.threads {
            rows.push(measure(options, hosts, threads.get())?);
        }
    }
    Ok(rows)
}

fn measure(options: &IndexOptions, hosts: usize, threads: usize) -> anyhow::Result<Row> {
    let farm = Farm::new(hosts);
    let mut rates = [Vec::new(), Vec::new()];
    let (mut slowest, mut snapshots) = (Vec::new(), Vec::new());
    let (mut matches, mut check_ins) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        for (apart, rates) in [false, true].into_iter().zip(&mut rates) {
            rates.push(farm.borrow_all(threads, options.loans, apart)?);
        }
        let parts = farm.parts(threads, options.loans / 10)?;
        matches.push(percentile(&parts.0, 0.5).context("no loan was made")?);
        check_ins.push(percentile(&parts.1, 0.5).context("no loan was made")?);
        let (waits, took) = farm.beside_snapshots(threads, options.loans / 10)?;
        slowest.push(percentile(&waits, 0.999).context("no loan was made")?);
        snapshots.extend(took);
    }
    ensure!(farm.index.len() == hosts, "hosts got lost");
    let [same, disjoint] = rates.map(|rates| Spread::of(&rates));
    Ok(Row {
        hosts,
        threads,
        same,
        disjoint,
        match_us: Spread::of(&matches),
        check_in_us: Spread::of(&check_ins),
        beside_snapshots_p999_us: Spread::of(&slowest).median,
        snapshot_ms: Spread::of(&snapshots),
    })
}

struct Farm {
    index: HostIndex,
    facility: FacilityId,
    /// Two snapshots that differ in every host.
    snapshots: [Vec<Host>; 2],
    layer: Layer,
}

impl Farm {
    fn new(hosts: usize) -> Self {
        let snapshots = [0, 1].map(|more| (0..hosts).map(|n| host(n, more)).collect::<Vec<_>>());
        let index = HostIndex::new(IndexSettings::default());
        index.apply(index.mark(), snapshots[0].clone());
        Self {
            index,
            facility: FacilityId::from("f"),
            snapshots,
            layer: layer(),
        }
    }

    /// Hosts lent and checked in a second.
    fn borrow_all(&self, threads: usize, loans: u64, apart: bool) -> anyhow::Result<f64> {
        let start = Barrier::new(threads + 1);
        std::thread::scope(|scope| {
            let borrowers: Vec<_> = (0..threads)
                .map(|n| {
                    let start = &start;
                    scope.spawn(move || {
                        let borrower = Borrower::new(self, if apart { n } else { 0 });
                        start.wait();
                        (0..loans).try_for_each(|_| borrower.once())
                    })
                })
                .collect();
            start.wait();
            let began = Instant::now();
            for borrower in borrowers {
                borrower.join().ok().context("a borrower died")??;
            }
            let all = count(loans * threads as u64);
            Ok(all / began.elapsed().as_secs_f64().max(1e-9))
        })
    }

    /// How long matches took and how long check-ins, in microseconds, all of one allocation.
    fn parts(&self, threads: usize, loans: u64) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        std::thread::scope(|scope| {
            let borrowers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(move || {
                        let borrower = Borrower::new(self, 0);
                        (0..loans)
                            .map(|_| borrower.timed())
                            .collect::<anyhow::Result<Vec<_>>>()
                    })
                })
                .collect();
            let (mut matches, mut check_ins) = (Vec::new(), Vec::new());
            for borrower in borrowers {
                for (matched, checked_in) in borrower.join().ok().context("a borrower died")?? {
                    matches.push(matched.as_secs_f64() * 1e6);
                    check_ins.push(checked_in.as_secs_f64() * 1e6);
                }
            }
            Ok((matches, check_ins))
        })
    }

    /// How long loans took, in microseconds, while snapshots were taken in without pause, and how long
    /// those took, in milliseconds.
    fn beside_snapshots(&self, threads: usize, loans: u64) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let applier = scope.spawn(|| {
                let mut took = Vec::new();
                while !done.load(Ordering::Relaxed) || took.len() < 2 {
                    let hosts = self.snapshots[(took.len() + 1) % 2].clone();
                    let began = Instant::now();
                    self.index.apply(self.index.mark(), hosts);
                    took.push(began.elapsed().as_secs_f64() * 1e3);
                }
                took
            });
            let borrowers: Vec<_> = (0..threads)
                .map(|n| {
                    scope.spawn(move || {
                        let borrower = Borrower::new(self, n);
                        let timed = |_| {
                            let began = Instant::now();
                            borrower.once().map(|()| began.elapsed())
                        };
                        (0..loans)
                            .map(timed)
                            .collect::<anyhow::Result<Vec<Duration>>>()
                    })
                })
                .collect();
            let mut waits = Vec::new();
            let mut outcome = Ok(());
            for borrower in borrowers {
                match borrower.join().ok().context("a borrower died").flatten() {
                    Ok(took) => waits.extend(took.iter().map(|took| took.as_secs_f64() * 1e6)),
                    Err(error) => outcome = Err(error),
                }
            }
            done.store(true, Ordering::Relaxed);
            let took = applier.join().ok().context("the snapshots died")?;
            outcome.map(|()| (waits, took))
        })
    }
}

/// A thread that borrows hosts of one allocation.
struct Borrower<'a> {
    farm: &'a Farm,
    tags: [Tag; 1],
    subscriptions: [(AllocId, Centicores); 1],
    rules: FitRules,
}

impl<'a> Borrower<'a> {
    fn new(farm: &'a Farm, allocation: usize) -> Self {
        let name = format!("a{}", allocation % ALLOCATIONS);
        Self {
            farm,
            tags: [Tag::from(name.as_str())],
            subscriptions: [(AllocId::from(name), Centicores::cores(1_000_000))],
            rules: FitRules::default(),
        }
    }

    /// Borrows a host and checks it in with a core less or more.
    fn once(&self) -> anyhow::Result<()> {
        let (lease, idle) = self.borrow()?;
        self.farm.index.check_in(lease, Some(idle.into()));
        Ok(())
    }

    /// The same, and how long each half took.
    fn timed(&self) -> anyhow::Result<(Duration, Duration)> {
        let began = Instant::now();
        let (lease, idle) = self.borrow()?;
        let matched = began.elapsed();
        let began = Instant::now();
        self.farm.index.check_in(lease, Some(idle.into()));
        Ok((matched, began.elapsed()))
    }

    /// A host, and what is to be idle on it afterwards.
    fn borrow(&self) -> anyhow::Result<(HostLease, Resources)> {
        let want = Want {
            facility: &self.farm.facility,
            tags: &self.tags,
            subscriptions: &self.subscriptions,
            os: Some("linux"),
            layer: &self.farm.layer,
        };
        let lease = self.farm.index.take(&want, &self.rules, None);
        let lease = lease.context("no host to lend")?;
        let mut idle = lease.idle;
        let cores = if idle.cores > Centicores::cores(8) {
            idle.cores.0 - 100
        } else {
            lease.total.cores.0
        };
        idle.cores = Centicores(cores);
        Ok((lease, idle))
    }
}

/// A host of an allocation, with tags as hosts have them, partly in use.
fn host(n: usize, more: i64) -> Host {
    let alloc = format!("a{}", n % ALLOCATIONS);
    let name = format!("host{n}");
    let total = Resources {
        cores: Centicores::cores(64),
        memory: Kib::gib(256),
        ..Resources::NONE
    };
    let used = i64::try_from(n % 50).unwrap_or_default() + more;
    let mut tags = [alloc.as_str(), &name, "linux"].map(Tag::from);
    tags.sort_unstable();
    let idle = Resources {
        cores: Centicores(total.cores.0 - used * 100),
        memory: Kib(total.memory.0 - Kib::gib(used).0),
        ..total
    };
    Host {
        id: HostId::from(name.clone()),
        facility: FacilityId::from("f"),
        tags: tags.into(),
        alloc: AllocId::from(alloc),
        name: name.into(),
        os: ["linux".into()].into(),
        thread_mode: ThreadMode::Auto,
        total,
        ledger: idle,
        idle,
        reported_us: 0,
    }
}

fn layer() -> Layer {
    Layer {
        id: LayerId::from("l"),
        name: "layer".into(),
        dispatch_order: 1,
        cores_min: Centicores::cores(4),
        cores_max: None,
        memory_min: Kib::gib(4),
        gpus_min: 0,
        gpu_memory_min: Kib(0),
        threadable: true,
        services: [].into(),
        tags: [].into(),
        waiting: 100,
    }
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let head = [
        "hosts",
        "threads",
        "lent and back a second, one allocation",
        "the same, one each",
        "match, us",
        "check-in, us",
        "p99.9 beside snapshots, us",
        "snapshot, all changed, ms",
    ];
    let cells = rows.iter().map(|row| {
        vec![
            row.hosts.to_string(),
            row.threads.to_string(),
            format!("{:.0}", row.same),
            format!("{:.0}", row.disjoint),
            format!("{:.2}", row.match_us),
            format!("{:.2}", row.check_in_us),
            format!("{:.0}", row.beside_snapshots_p999_us),
            format!("{:.1}", row.snapshot_ms),
        ]
    });
    markdown(&head, cells)
}
