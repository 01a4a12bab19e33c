//! Metrics of the farm by show.
//!
//! Invariants: a scrape finds the series of one view, never those of a view that is being written. Labels are facility,
//! show, and values that the program fixes; shows beyond a bound share one series.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cue_demand::{FarmView, ShowView, Stranding};
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts, Registry};

/// Shows with series of their own, those with the most waiting frames and cores first.
const MOST_SHOWS: usize = 200;
/// Name of the other shows together.
const OTHERS: &str = "_other";

/// Labels of a show.
const SHOW: [&str; 2] = ["facility_name", "show_name"];

/// The families. Cloning shares them.
#[derive(Clone)]
pub(super) struct FarmMetrics {
    families: Arc<Families>,
    /// Held while a view is written, and while a scrape reads it.
    one_view: Arc<Mutex<()>>,
}

struct Families {
    waiting: GaugeVec,
    oldest: GaugeVec,
    cores: GaugeVec,
    share: GaugeVec,
    reserved: GaugeVec,
    stranded: GaugeVec,
}

impl Families {
    fn all(&self) -> [&GaugeVec; 6] {
        [
            &self.waiting,
            &self.oldest,
            &self.cores,
            &self.share,
            &self.reserved,
            &self.stranded,
        ]
    }
}

/// Numbers of one show, or of several that share a series.
#[derive(Default)]
struct Sums {
    waiting: BTreeMap<&'static str, f64>,
    oldest: f64,
    held: f64,
    entitled: f64,
    reserved: f64,
    total: f64,
}

impl Sums {
    fn add(&mut self, show: &ShowView, total: f64) {
        for (reason, waiting) in &show.waiting {
            *self.waiting.entry(reason.code()).or_default() += waiting.frames as f64;
        }
        let oldest = show.oldest().map(|oldest| oldest.waited.as_secs_f64());
        self.oldest = self.oldest.max(oldest.unwrap_or_default());
        self.held += cores(show.held.0);
        self.entitled += cores(show.entitled.0);
        self.reserved += show.reserved_hosts as f64;
        self.total = total;
    }
}

impl FarmMetrics {
    /// Registers the families.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = |name, help: &str, more: &[&str]| {
            GaugeVec::new(Opts::new(name, help), &[&SHOW[..], more].concat())
        };
        let stranded = GaugeVec::new(
            Opts::new(
                "scheduler_stranded_cores",
                "Idle cores that no frame waiting for their hosts can use, by cause",
            ),
            &["facility_name", "cause"],
        )?;
        let families = Families {
            waiting: family(
                "scheduler_waiting_frames",
                "Waiting frames by show and by the reason that keeps them",
                &["reason"],
            )?,
            oldest: family(
                "scheduler_oldest_waiting_seconds",
                "Longest time for which a layer of the show waits without a running frame",
                &[],
            )?,
            cores: family("scheduler_show_cores", "Cores in use by the show", &[])?,
            share: family(
                "scheduler_show_share",
                "Share of the show in the cores of the facility, 0 to 1",
                &["kind"],
            )?,
            reserved: family(
                "scheduler_show_reserved_hosts",
                "Hosts that are reserved for layers of the show",
                &[],
            )?,
            stranded,
        };
        let metrics = Self {
            families: Arc::new(families),
            one_view: Arc::default(),
        };
        registry.register(Box::new(metrics.clone()))?;
        Ok(metrics)
    }

    /// Replaces all series by those of the view.
    pub(super) fn set(&self, view: &FarmView) {
        let sums = sums(view);
        let _one = self.one_view.lock();
        let families = &self.families;
        for family in families.all() {
            family.reset();
        }
        for ((facility, show), sums) in &sums {
            let labels = [*facility, *show];
            let set = |family: &GaugeVec, more: &[&str], value: f64| {
                let labels = [&labels[..], more].concat();
                family.with_label_values(&labels).set(value);
            };
            for (reason, frames) in &sums.waiting {
                set(&families.waiting, &[reason], *frames);
            }
            set(&families.oldest, &[], sums.oldest);
            set(&families.cores, &[], sums.held);
            set(&families.reserved, &[], sums.reserved);
            let share = |cores: f64| {
                if sums.total > 0.0 {
                    cores / sums.total
                } else {
                    0.0
                }
            };
            set(&families.share, &["held"], share(sums.held));
            set(&families.share, &["entitled"], share(sums.entitled));
        }
        for facility in view.facilities.values() {
            for cause in Stranding::ALL {
                let stranded = facility.stranded.get(&cause).copied().unwrap_or_default();
                let labels = [&*facility.name, cause.code()];
                families
                    .stranded
                    .with_label_values(&labels)
                    .set(cores(stranded.0));
            }
        }
    }
}

/// Sums by facility and show name.
fn sums(view: &FarmView) -> BTreeMap<(&str, &str), Sums> {
    let mut ranked: Vec<&ShowView> = view.shows.iter().collect();
    ranked.sort_by_key(|show| std::cmp::Reverse((show.frames(), show.held)));
    let totals: HashMap<_, _> = view
        .facilities
        .iter()
        .map(|(id, facility)| (id, cores(facility.total.0)))
        .collect();
    let mut sums: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for (rank, show) in ranked.into_iter().enumerate() {
        let cluster = &show.cluster;
        let name = if rank < MOST_SHOWS {
            &*cluster.show_name
        } else {
            OTHERS
        };
        let total = totals.get(&cluster.key.facility).copied();
        let of_name = sums.entry((&cluster.facility_name, name)).or_default();
        of_name.add(show, total.unwrap_or_default());
    }
    sums
}

fn cores(centicores: i64) -> f64 {
    centicores as f64 / 100.0
}

impl Collector for FarmMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let families = self.families.all().into_iter();
        families.flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _one = self.one_view.lock();
        let families = self.families.all().into_iter();
        families.flat_map(Collector::collect).collect()
    }
}
