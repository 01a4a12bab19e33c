//! Readings in any order against one complete reading of the final state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cue_domain::demand::{DemandRows, WaitingJob, WaitingLayer};
use cue_domain::{ClusterKey, JobId, Layer, Tag};
use proptest::prelude::*;

use crate::rows::Rows;
use crate::tests::fixture::{complete, index_of, job, key, layer, read, row, subscription};
use crate::{DemandIndex, DemandStats};

#[derive(Clone, Debug)]
enum Op {
    /// Adds a job or changes its row.
    Job {
        job: u8,
        show: u8,
        priority: i64,
        os: bool,
        paused: bool,
    },
    /// Adds a layer of a job or changes its row.
    Layer {
        job: u8,
        layer: u8,
        order: i64,
        waiting: i64,
        cores: i64,
        ignored: bool,
    },
    Delete {
        job: u8,
    },
    Look,
    Complete,
}

fn any_op() -> impl Strategy<Value = Op> {
    let of_job = (0..4u8, 0..3u8, 0..3i64, any::<bool>(), any::<bool>());
    let of_layer = (0..4u8, 0..3u8, 0..3i64, 0..3i64, 1..3i64, any::<bool>());
    prop_oneof![
        3 => of_job.prop_map(|(job, show, priority, os, paused)| Op::Job { job, show, priority, os, paused }),
        6 => of_layer.prop_map(|(job, layer, order, waiting, cores, ignored)| {
            Op::Layer { job, layer, order, waiting, cores, ignored }
        }),
        1 => (0..4u8).prop_map(|job| Op::Delete { job }),
        3 => Just(Op::Look),
        1 => Just(Op::Complete),
    ]
}

/// The database, and what a cursor has read of it.
#[derive(Default)]
struct Database {
    jobs: BTreeMap<u8, (WaitingJob, bool)>,
    layers: BTreeMap<(u8, u8), Layer>,
    known: BTreeSet<u8>,
    changed_jobs: BTreeSet<u8>,
    changed_layers: BTreeSet<(u8, u8)>,
    /// Rows were deleted since the last complete reading.
    has_deleted: bool,
}

fn job_id(job: u8) -> String {
    format!("j{job}")
}

impl Database {
    fn change(&mut self, op: &Op) {
        match *op {
            Op::Job {
                job: id,
                show,
                priority,
                os,
                paused,
            } => {
                let mut row = job(&job_id(id), &format!("s{show}"), priority);
                row.os = os.then(|| "linux".into());
                self.jobs.insert(id, (row, paused));
                self.changed_jobs.insert(id);
            }
            Op::Layer {
                job,
                layer: id,
                order,
                waiting,
                cores,
                ignored,
            } => {
                let mut row = layer(&format!("j{job}-l{id}"), cores, waiting);
                row.dispatch_order = order;
                if ignored {
                    row.tags = [Tag::from("ignored"), Tag::from("general")].into();
                }
                self.layers.insert((job, id), row);
                self.changed_jobs.insert(job);
                self.changed_layers.insert((job, id));
            }
            Op::Delete { job } => {
                self.has_deleted |= self.jobs.remove(&job).is_some();
                self.layers.retain(|(of, _), _| *of != job);
                self.known.remove(&job);
            }
            Op::Look | Op::Complete => {}
        }
    }

    fn layers_of(&self, job: u8) -> impl Iterator<Item = (&(u8, u8), &Layer)> {
        self.layers.iter().filter(move |((of, _), _)| *of == job)
    }

    fn waits(&self, job: u8) -> bool {
        let is_open = self.jobs.get(&job).is_some_and(|(_, paused)| !paused);
        is_open && self.layers_of(job).any(|(_, layer)| layer.waiting > 0)
    }

    fn reading(&self, is_complete: bool) -> DemandRows {
        let mut rows = complete(Vec::new(), Vec::new());
        rows.complete = is_complete;
        for (id, (job, _)) in &self.jobs {
            if !is_complete && !self.changed_jobs.contains(id) {
                continue;
            }
            if !self.waits(*id) {
                rows.gone_jobs
                    .extend((!is_complete).then(|| job.id.clone()));
                continue;
            }
            rows.jobs.push(job.clone());
            for (place, layer) in self.layers_of(*id) {
                let is_new = is_complete || !self.known.contains(id);
                if (is_new && layer.waiting > 0) || (!is_new && self.changed_layers.contains(place))
                {
                    rows.layers.push(row(&job_id(*id), layer.clone()));
                }
            }
        }
        rows
    }

    fn read(&mut self, is_complete: bool) -> DemandRows {
        let rows = self.reading(is_complete);
        self.has_deleted &= !is_complete;
        self.known = self
            .jobs
            .keys()
            .copied()
            .filter(|job| self.waits(*job))
            .collect();
        self.changed_jobs.clear();
        self.changed_layers.clear();
        rows
    }
}

/// A job as the index has it: its layers with the layers of their shapes.
type Job = (WaitingJob, Vec<(WaitingLayer, Layer, Option<Arc<str>>)>);

fn content(rows: &Rows) -> BTreeMap<ClusterKey, BTreeMap<JobId, Job>> {
    let clusters = rows.clusters.iter().map(|(key, cluster)| {
        let jobs = cluster.jobs.iter().map(|(id, job)| {
            let layers = job.layers.iter().map(|layer| {
                let (order, id) = (layer.row.layer.dispatch_order, layer.row.layer.id.clone());
                let shape = &rows.shapes[layer.shape as usize];
                let same = Layer {
                    id,
                    name: Arc::clone(&layer.row.layer.name),
                    dispatch_order: order,
                    waiting: layer.row.layer.waiting,
                    ..shape.layer.clone()
                };
                (layer.row.clone(), same, shape.os.clone())
            });
            (id.clone(), (job.job.clone(), layers.collect()))
        });
        (key.clone(), jobs.collect())
    });
    clusters.collect()
}

fn versions(rows: &Rows) -> BTreeMap<ClusterKey, u64> {
    let clusters = rows.clusters.iter();
    clusters
        .map(|(key, cluster)| (key.clone(), cluster.version))
        .collect()
}

fn fresh() -> Rows {
    Rows::new(vec![Tag::from("ignored")])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn readings_in_any_order_give_the_index_of_one_complete_reading(
        ops in proptest::collection::vec(any_op(), 1..60),
    ) {
        let (mut database, mut rows) = (Database::default(), fresh());
        for op in ops.into_iter().chain([Op::Look]) {
            database.change(&op);
            let is_complete = match op {
                Op::Complete => true,
                Op::Look => database.has_deleted,
                _ => continue,
            };
            let (before, versions_before) = (content(&rows), versions(&rows));
            let incomplete = rows.apply(database.read(is_complete));
            prop_assert!(!incomplete, "all layers of new jobs were read");
            let mut expected = fresh();
            expected.apply(database.reading(true));
            let now = content(&rows);
            prop_assert_eq!(&now, &content(&expected));
            for (job, layers) in now.values().flat_map(BTreeMap::values) {
                for (row, shape, os) in layers {
                    prop_assert_eq!((&row.layer, &job.os), (shape, os), "a wrong shape");
                }
            }
            for (key, version) in versions(&rows) {
                let Some(version_before) = versions_before.get(&key) else { continue };
                let is_same = before.get(&key) == now.get(&key);
                prop_assert!(is_same || version != *version_before, "{:?} changed", key);
                prop_assert!(!is_same || !is_complete || version == *version_before, "{:?} is the same", key);
            }
        }
    }
}

#[test]
fn a_look_that_names_no_layer_of_a_new_job_asks_for_a_complete_reading() {
    let look = |jobs, layers| DemandRows {
        complete: false,
        ..complete(jobs, layers)
    };
    let index = index_of(complete(
        vec![job("j", "s", 1)],
        vec![row("j", layer("l", 1, 1))],
    ));
    assert!(!read(&index, look(vec![job("j", "s", 2)], vec![])));
    assert!(read(&index, look(vec![job("k", "s", 1)], vec![])));
    assert!(!read(
        &index,
        look(vec![job("m", "s", 1)], vec![row("m", layer("m", 1, 1))])
    ));
    let stats = DemandStats {
        jobs: 3,
        layers: 2,
        frames: 2,
    };
    assert_eq!(index.stats(), stats);
}

#[test]
fn ignored_tags_are_left_out_of_layers() {
    let index = DemandIndex::new(vec![Tag::from("ignored")]);
    let mut both = layer("both", 1, 1);
    both.tags = [Tag::from("ignored"), Tag::from("general")].into();
    both.gpus_min = 1;
    let mut alone = layer("alone", 1, 1);
    alone.tags = [Tag::from("ignored")].into();
    alone.gpus_min = 1;
    let rows = complete(
        vec![job("j", "s", 1)],
        vec![row("j", both), row("j", alone)],
    );
    assert!(!read(&index, rows));
    let tags: Vec<usize> = index
        .gpu_work()
        .iter()
        .map(|work| work.layer.tags.len())
        .collect();
    assert_eq!(tags, [1], "a layer of ignored tags alone is left out");
    assert_eq!(index.stats().layers, 1);
}

#[test]
fn subscriptions_are_those_of_the_last_reading() {
    let index = index_of(complete(
        vec![job("j", "s", 1)],
        vec![row("j", layer("l", 1, 1))],
    ));
    let tier = || index.clusters()[0].tier;
    assert_eq!(tier(), Some(-100_000.0));
    let rows = DemandRows {
        subscriptions: vec![
            subscription("s", "a", (10, 10, 5)),
            subscription("s", "b", (10, 10, 1)),
        ],
        ..DemandRows::default()
    };
    assert!(!read(&index, rows));
    assert_eq!(tier(), Some(0.1), "the lowest of its allocations");
    assert!(!read(&index, DemandRows::default()));
    assert_eq!(tier(), None);
}

#[test]
fn a_cluster_goes_with_its_last_job() {
    let index = index_of(complete(
        vec![job("j", "s", 1)],
        vec![row("j", layer("l", 1, 1))],
    ));
    assert_eq!(index.clusters()[0].cluster.key, key("s"));
    let rows = DemandRows {
        gone_jobs: vec![JobId::from("j")],
        ..DemandRows::default()
    };
    assert!(!read(&index, rows));
    assert!(index.clusters().is_empty());
    assert_eq!(index.stats(), DemandStats::default());
}
