//! Planning a farm: from a spec and a seed to every row but the frames. `plan_work` plans the
//! jobs.
//!
//! Pure: no clock, no database. Shares of hosts are dealt evenly, so that even a small farm has
//! the share it was asked for; everything else is drawn.
//!
//! Invariant: the same spec and seed give the same plan, ids included.

use std::collections::HashMap;

use super::draw::Draw;
use super::plan_work::{centicores, jobs, narrow};
use super::rows::{FolderRow, GIB, HostSpec, LimitRow, Sites, SubscriptionRow};
use super::seeded::{Named, Seeded};
use super::spec::{FarmSpec, HostClass};
use super::work_rows::JobRow;

/// All rows of a farm, but for the frames that the layers count.
#[derive(Debug)]
pub(super) struct FarmPlan {
    pub sites: Sites,
    pub hosts: Vec<HostSpec>,
    pub jobs: Vec<JobRow>,
}

impl FarmPlan {
    /// Plans the farm.
    pub(super) fn new(spec: &FarmSpec, seed: u64) -> Self {
        let mut draw = Draw::from_seed(seed);
        let sites = sites(spec, &mut draw);
        let hosts = hosts(spec, &sites, &mut draw);
        let mut jobs = jobs(spec, &sites, &mut draw);
        can_run(&mut jobs, &hosts, &sites);
        Self { sites, hosts, jobs }
    }

    /// Contents of the plan, in numbers and names.
    pub(super) fn summary(self) -> Seeded {
        let layers = || self.jobs.iter().flat_map(|job| &job.layers);
        let total = |value: fn(&HostSpec) -> i64| -> u64 {
            self.hosts
                .iter()
                .map(|host| value(host).unsigned_abs())
                .sum()
        };
        Seeded {
            hosts: self.hosts.len(),
            jobs: self.jobs.len(),
            layers: layers().count(),
            frames: layers().map(|layer| layer.frames.unsigned_abs()).sum(),
            cores: total(|host| host.cores / 100),
            gpus: total(|host| host.gpus),
            facility: self.sites.facility,
            shows: self.sites.shows,
            allocations: self.sites.allocations,
        }
    }
}

/// A small farm may have drawn a tag that no host has, or GPUs where no host has any: such a layer
/// asks for an allocation, or for no GPU, and nothing waits for ever.
fn can_run(jobs: &mut [JobRow], hosts: &[HostSpec], sites: &Sites) {
    let mut gpus: HashMap<&str, (i64, i64)> = HashMap::new();
    for host in hosts {
        for (tag, _) in &host.tags {
            let most = gpus.entry(tag).or_default();
            *most = (*most).max((host.gpus, host.gpu_memory));
        }
    }
    let layers = jobs.iter_mut().flat_map(|job| &mut job.layers);
    for layer in layers {
        let mut found = layer.tags.split('|').filter_map(|tag| gpus.get(tag.trim()));
        let mut most = found.clone().max().copied();
        if found.next().is_none()
            && let Some(allocation) = sites.allocations.first()
        {
            layer.tags.clone_from(&allocation.name);
            most = gpus.get(allocation.name.as_str()).copied();
        }
        let (most_gpus, most_memory) = most.unwrap_or_default();
        if layer.gpus_min > most_gpus || layer.gpu_mem_min > most_memory {
            (layer.gpus_min, layer.gpu_mem_min) = (0, 0);
        }
    }
}

fn sites(spec: &FarmSpec, draw: &mut Draw) -> Sites {
    let facility = draw.named(spec.facility.clone());
    let dept = draw.named("unit".to_owned());
    let shows: Vec<Named> = (1..=spec.shows)
        .map(|n| draw.named(format!("show{n:02}")))
        .collect();
    let allocations: Vec<Named> = (1..=spec.allocations)
        .map(|n| draw.named(format!("pool{n:02}")))
        .collect();
    let mut subscriptions = Vec::new();
    let mut folders = Vec::new();
    for show in &shows {
        subscriptions.extend(allocations.iter().map(|allocation| SubscriptionRow {
            id: draw.id(),
            show: show.id.clone(),
            allocation: allocation.id.clone(),
            size: spec.subscription.size.saturating_mul(100),
            burst: spec.subscription.burst.saturating_mul(100),
        }));
        folders_of(show, spec, draw, &mut folders);
    }
    let limits = spec.limits.iter().map(|limit| LimitRow {
        id: draw.id(),
        name: limit.name.clone(),
        max: limit.max,
    });
    let limits = limits.collect();
    let points = shows.iter().map(|_| draw.id()).collect();
    Sites {
        facility,
        dept,
        shows,
        scheduler_managed: spec.scheduler_managed,
        allocations,
        subscriptions,
        folders,
        points,
        limits,
    }
}

/// The root folder of a show, uncapped, and below it the folders that hold the jobs.
fn folders_of(show: &Named, spec: &FarmSpec, draw: &mut Draw, folders: &mut Vec<FolderRow>) {
    let root = draw.id();
    folders.push(FolderRow {
        id: root.clone(),
        parent: None,
        show: show.id.clone(),
        name: show.name.chars().take(36).collect(),
        max_cores: -1,
        max_gpus: -1,
    });
    folders.extend((1..=spec.folders.per_show).map(|n| FolderRow {
        id: draw.id(),
        parent: Some(root.clone()),
        show: show.id.clone(),
        name: format!("folder{n:02}"),
        max_cores: centicores(spec.folders.max_cores),
        max_gpus: narrow(spec.folders.max_gpus),
    }));
}

fn hosts(spec: &FarmSpec, sites: &Sites, draw: &mut Draw) -> Vec<HostSpec> {
    let classes = spec
        .hosts
        .iter()
        .flat_map(|class| std::iter::repeat_n(class, class.count));
    classes
        .enumerate()
        .map(|(n, class)| host(n, class, spec, sites, draw))
        .collect()
}

fn host(n: usize, class: &HostClass, spec: &FarmSpec, sites: &Sites, draw: &mut Draw) -> HostSpec {
    let allocation = &sites.allocations[n % sites.allocations.len()];
    let name = format!("{}-host{:05}", spec.facility, n + 1);
    let mut tags = vec![
        (allocation.name.clone(), "ALLOC"),
        (name.clone(), "HOSTNAME"),
    ];
    let more = &spec.host_tags;
    for (share, choices, kind) in [
        (more.manual_share, &more.manual, "MANUAL"),
        (more.hardware_share, &more.hardware, "HARDWARE"),
    ] {
        if dealt(n, share) {
            tags.extend(draw.of(choices).map(|tag| (tag.clone(), kind)));
        }
    }
    HostSpec {
        id: draw.id(),
        name,
        allocation: allocation.id.clone(),
        cores: class.cores.saturating_mul(100),
        memory: class.memory_gib.saturating_mul(GIB),
        gpus: class.gpus,
        gpu_memory: class.gpu_memory_gib.saturating_mul(GIB),
        os: class.os.clone(),
        thread_mode: class.thread_mode as i32,
        lock_state: "OPEN".to_owned(),
        state: "UP".to_owned(),
        tags,
    }
}

/// Returns true if the `n`-th of many gets one, when `share` of them do and they are spread evenly.
#[expect(
    clippy::cast_precision_loss,
    reason = "hosts are counted in thousands, far below the 53 bits of a double"
)]
fn dealt(n: usize, share: f64) -> bool {
    ((n + 1) as f64 * share).floor() > (n as f64 * share).floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
        let spec = FarmSpec::default();
        let text = |seed| format!("{:?}", FarmPlan::new(&spec, seed));
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn a_share_of_hosts_is_met_exactly() {
        let dealt_of = |count: usize, share| (0..count).filter(|n| dealt(*n, share)).count();
        assert_eq!(dealt_of(1_200, 0.05), 60);
        assert_eq!(dealt_of(4, 0.25), 1);
        assert_eq!(dealt_of(10, 0.0), 0);
        assert_eq!(dealt_of(10, 1.0), 10);
    }

    #[test]
    fn jobs_go_into_capped_folders_or_into_the_root() {
        let mut spec = FarmSpec::default();
        spec.folders.per_show = 0;
        let plan = FarmPlan::new(&spec, 1);
        let roots: Vec<&str> = plan.sites.folders.iter().map(|f| f.id.as_str()).collect();
        assert_eq!(roots.len(), spec.shows);
        assert!(
            plan.jobs
                .iter()
                .all(|job| roots.contains(&job.folder.as_str()))
        );

        spec.folders.per_show = 2;
        spec.folders.max_cores = 50;
        let plan = FarmPlan::new(&spec, 1);
        let of = |id: &str| plan.sites.folders.iter().find(|f| f.id == id).unwrap();
        assert!(
            plan.jobs
                .iter()
                .all(|job| of(&job.folder).max_cores == 5_000)
        );
    }
}
