//! Planning the work of a farm: jobs with their layers.
//!
//! Names follow the habit of real farms, show-shot-user_name, and cannot clash: they count up
//! within a show.
//!
//! Invariant: a layer asks only for tags that hosts are given.

use super::draw::Draw;
use super::rows::{FolderRow, Sites};
use super::seeded::Named;
use super::spec::FarmSpec;
use super::work_rows::{JobRow, LayerRow};

/// Names of the layers of a job, in turn.
const LAYER_NAMES: [&str; 5] = ["fx", "sim", "light", "render", "comp"];

/// KiB in a MiB.
const MIB: i64 = 1_024;

/// The jobs of all shows, show by show.
pub(super) fn jobs(spec: &FarmSpec, sites: &Sites, draw: &mut Draw) -> Vec<JobRow> {
    let mut jobs = Vec::new();
    for show in &sites.shows {
        let folders: Vec<&FolderRow> = sites
            .folders
            .iter()
            .filter(|folder| folder.show == show.id)
            .collect();
        // Without folders of their own the jobs go into the root, which comes first.
        let folders = if folders.len() > 1 {
            &folders[1..]
        } else {
            &folders[..]
        };
        for n in 0..draw.within(spec.jobs.per_show) {
            let folder = folders[usize::try_from(n).unwrap_or(0) % folders.len()];
            jobs.push(job(n, show, folder, (spec, sites), draw));
        }
    }
    jobs
}

fn job(
    n: i64,
    show: &Named,
    folder: &FolderRow,
    (spec, sites): (&FarmSpec, &Sites),
    draw: &mut Draw,
) -> JobRow {
    let shot = format!("shot{:03}", 10 * (1 + n % 99));
    let user = format!("user{:02}", draw.below(spec.users) + 1);
    let name = format!("{}-{shot}-{user}_job{:05}", show.name, n + 1);
    let asks_for_os = draw.hits(spec.jobs.os_share);
    let class = draw
        .of(&spec.hosts)
        .filter(|class| asks_for_os && class.os.len() <= 12);
    let env = (1..=spec.jobs.env_vars).map(|v| (format!("SIM_VAR_{v}"), format!("value {v}")));
    let layers = 1..=draw.within(spec.layers.per_job);
    JobRow {
        id: draw.id(),
        folder: folder.id.clone(),
        show: show.id.clone(),
        show_name: show.name.clone(),
        facility: sites.facility.id.clone(),
        dept: sites.dept.id.clone(),
        log_dir: format!("/tmp/logs/{}/{shot}/logs/{name}", show.name),
        name,
        shot,
        user,
        uid: None,
        priority: narrow(draw.within(spec.jobs.priority)),
        max_cores: centicores(spec.jobs.max_cores),
        max_gpus: narrow(spec.jobs.max_gpus),
        max_retries: 3,
        paused: false,
        autoeat: false,
        os: class.map(|class| class.os.clone()),
        env: env.collect(),
        layers: layers
            .map(|order| layer(order, spec, sites, draw))
            .collect(),
    }
}

fn layer(order: i64, spec: &FarmSpec, sites: &Sites, draw: &mut Draw) -> LayerRow {
    let shape = &spec.layers;
    let kind = usize::try_from(order).unwrap_or(0) % LAYER_NAMES.len();
    let gpus = i64::from(draw.hits(shape.gpu_share));
    let limits = sites
        .limits
        .iter()
        .zip(&spec.limits)
        .filter(|(_, limit)| draw.hits(limit.share));
    let limits = limits.map(|(row, _)| row.id.clone()).collect();
    LayerRow {
        id: draw.id(),
        name: format!("{}_{order}", LAYER_NAMES[kind]),
        kind: "RENDER".to_owned(),
        command: shape.command.clone(),
        order,
        frames: draw.within(shape.frames),
        chunk: shape.chunk,
        cores_min: draw.of(&shape.cores_min).copied().unwrap_or(100),
        cores_max: 0,
        mem_min: draw
            .of(&shape.mem_min_mib)
            .copied()
            .unwrap_or(1_024)
            .saturating_mul(MIB),
        gpus_min: gpus,
        gpu_mem_min: gpus
            .saturating_mul(shape.gpu_mem_min_mib)
            .saturating_mul(MIB),
        threadable: draw.hits(shape.threadable_share),
        tags: layer_tags(spec, sites, draw),
        limits,
        env: Vec::new(),
    }
}

/// The tag of one allocation, of two, or a special tag.
fn layer_tags(spec: &FarmSpec, sites: &Sites, draw: &mut Draw) -> String {
    let more = &spec.host_tags;
    let special: Vec<&String> = [
        (more.manual_share, &more.manual),
        (more.hardware_share, &more.hardware),
    ]
    .into_iter()
    .filter(|(share, _)| *share > 0.0)
    .flat_map(|(_, tags)| tags)
    .collect();
    if draw.hits(spec.layers.special_tag_share)
        && let Some(tag) = draw.of(&special)
    {
        return (*tag).clone();
    }
    let n = draw.below(sites.allocations.len());
    let first = &sites.allocations[n].name;
    let second = &sites.allocations[(n + 1) % sites.allocations.len()].name;
    if draw.hits(spec.layers.two_tags_share) && second != first {
        return format!("{first} | {second}");
    }
    first.clone()
}

/// Whole cores of a cap in centicores; -1 stays -1, which is no cap.
pub(super) fn centicores(cores: i64) -> i32 {
    if cores < 0 {
        -1
    } else {
        narrow(cores.saturating_mul(100))
    }
}

/// The nearest value that the column holds.
pub(super) fn narrow(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}
