//! The mirrored rows of all clusters, and the shapes of their layers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cue_domain::demand::{DemandRows, Subscription, WaitingJob, WaitingLayer};
use cue_domain::{AllocId, Cluster, ClusterKey, JobId, Kib, Layer, LayerId, Tag};

use crate::cluster_rows::{ClusterRows, JobRows, LayerRows, ShapeId};
use crate::kept::Kept;

/// The part of a layer that decides where it fits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ShapeKey {
    tags: Arc<[Tag]>,
    os: Option<Arc<str>>,
    cores: i64,
    cores_max: Option<i64>,
    memory: Kib,
    gpus: i64,
    gpu_memory: Kib,
    threadable: bool,
}

/// A shape: the layers of one shape fit the same hosts.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Any layer of this shape, without the tags that are ignored.
    pub(crate) layer: Layer,
    pub(crate) os: Option<Arc<str>>,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) clusters: BTreeMap<ClusterKey, ClusterRows>,
    pub(crate) subscriptions: HashMap<ClusterKey, Vec<Subscription>>,
    pub(crate) kept: Kept,
    cluster_of: HashMap<JobId, ClusterKey>,
    shape_of: HashMap<ShapeKey, ShapeId>,
    pub(crate) shapes: Vec<Shape>,
    /// Changes whenever the shapes get other numbers.
    pub(crate) numbering: u64,
    ignored: Vec<Tag>,
}

impl Rows {
    pub(crate) fn new(ignored: Vec<Tag>) -> Self {
        Self {
            ignored,
            ..Self::default()
        }
    }

    /// Every waiting layer with its cluster and job.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (&ClusterKey, &JobRows, &LayerRows)> {
        let jobs = self.clusters.iter().flat_map(|(key, cluster)| {
            let jobs = cluster.jobs.values();
            jobs.map(move |job| (key, job))
        });
        jobs.flat_map(|(key, job)| job.layers.iter().map(move |layer| (key, job, layer)))
    }

    /// A waiting layer with its cluster and job. Visits every layer, so it is for questions of people only.
    pub(crate) fn find(&self, id: &LayerId) -> Option<(&ClusterKey, &JobRows, &LayerRows)> {
        self.layers().find(|(.., layer)| layer.row.layer.id == *id)
    }

    /// Names of these layers as `JOB/LAYER`, as far as they wait.
    pub(crate) fn names_of(&self, layers: &[LayerId]) -> HashMap<LayerId, String> {
        if layers.is_empty() {
            return HashMap::new();
        }
        let wanted: HashSet<&LayerId> = layers.iter().collect();
        let asked = |(.., layer): &(_, _, &LayerRows)| wanted.contains(&layer.row.layer.id);
        let name = |(_, job, layer): (_, &JobRows, &LayerRows)| {
            let layer = &layer.row.layer;
            (layer.id.clone(), format!("{}/{}", job.job.name, layer.name))
        };
        self.layers().filter(asked).map(name).collect()
    }

    /// Applies a reading. Returns true if a job appeared whose layers the reading may not have named.
    pub(crate) fn apply(&mut self, rows: DemandRows) -> bool {
        self.subscribe(rows.subscriptions);
        let mut before = BTreeMap::new();
        if rows.complete {
            before = std::mem::take(&mut self.clusters);
            self.cluster_of.clear();
            self.shape_of.clear();
            self.shapes.clear();
            self.numbering = self.numbering.wrapping_add(1);
            self.kept = Kept::new(rows.kept);
        }
        for job in &rows.gone_jobs {
            self.remove(job);
        }
        let mut came = Vec::new();
        for job in rows.jobs {
            if self.put(job.clone(), &mut before) {
                came.push(job.id);
            }
        }
        for layer in rows.layers {
            self.put_layer(layer);
        }
        self.clusters
            .retain(|_, cluster| !cluster.jobs.is_empty() || !cluster.asked.is_empty());
        if rows.complete {
            self.compare(before);
        }
        for cluster in self.clusters.values_mut() {
            cluster.count(rows.complete);
        }
        if rows.complete {
            return false;
        }
        came.iter().any(|job| self.layers_of(job) == 0)
    }

    /// Replaces all subscriptions. A cluster whose sizes or bursts changed gets a new version.
    fn subscribe(&mut self, subscriptions: Vec<Subscription>) {
        let before = std::mem::take(&mut self.subscriptions);
        for subscription in subscriptions {
            let key = ClusterKey {
                facility: subscription.facility.clone(),
                show: subscription.show.clone(),
            };
            self.subscriptions
                .entry(key)
                .or_default()
                .push(subscription);
        }
        let caps = |of: Option<&Vec<Subscription>>| -> Vec<(AllocId, i64, i64)> {
            let of = of.into_iter().flatten();
            let mut caps: Vec<_> = of
                .map(|of| (of.alloc.clone(), of.size.0, of.burst.0))
                .collect();
            caps.sort();
            caps
        };
        for (key, cluster) in &mut self.clusters {
            if caps(before.get(key)) != caps(self.subscriptions.get(key)) {
                cluster.changed();
            }
        }
    }

    /// Restores the version of clusters whose rows did not change.
    fn compare(&mut self, before: BTreeMap<ClusterKey, ClusterRows>) {
        for (key, old) in before {
            if let Some(new) = self.clusters.get_mut(&key)
                && new.has_rows_of(&old)
            {
                new.version = old.version;
                new.is_blocked = old.is_blocked;
            }
        }
    }

    fn layers_of(&self, job: &JobId) -> usize {
        let cluster = self.cluster_of.get(job);
        let rows = cluster.and_then(|key| self.clusters.get(key)?.jobs.get(job));
        rows.map_or(0, |rows| rows.layers.len())
    }

    fn remove(&mut self, job: &JobId) -> Option<JobRows> {
        let key = self.cluster_of.remove(job)?;
        let cluster = self.clusters.get_mut(&key)?;
        cluster.changed();
        cluster.jobs.remove(job)
    }

    /// Inserts or replaces a job. Returns true if it was not known.
    fn put(&mut self, job: WaitingJob, before: &mut BTreeMap<ClusterKey, ClusterRows>) -> bool {
        let key = ClusterKey {
            facility: job.facility.clone(),
            show: job.show.clone(),
        };
        let stays = self.cluster_of.get(&job.id) == Some(&key);
        let known = if stays { None } else { self.remove(&job.id) };
        let cluster = self.clusters.entry(key.clone()).or_insert_with(|| {
            let old = before.get_mut(&key);
            ClusterRows {
                cluster: Arc::new(Cluster {
                    key: key.clone(),
                    facility_name: Arc::clone(&job.facility_name),
                    show_name: Arc::clone(&job.show_name),
                }),
                jobs: BTreeMap::new(),
                version: old.as_ref().map_or(1, |old| old.version.wrapping_add(1)),
                asked: old
                    .map(|old| std::mem::take(&mut old.asked))
                    .unwrap_or_default(),
                is_blocked: false,
                is_paused: false,
                waiting_by_shape: (0, Vec::new()),
            }
        });
        cluster.changed();
        let id = job.id.clone();
        self.cluster_of.insert(id.clone(), key);
        if let Some(rows) = cluster.jobs.get_mut(&id) {
            let is_same_os = rows.job.os == job.os;
            rows.job = job;
            if !is_same_os {
                self.sort_layers(&id);
            }
            return false;
        }
        let is_new = known.is_none();
        let layers = known.map(|rows| rows.layers).unwrap_or_default();
        cluster.jobs.insert(id.clone(), JobRows { job, layers });
        if !is_new {
            self.sort_layers(&id);
        }
        is_new
    }

    /// Finds the shapes of the job's layers again: the system that the job demands may have changed.
    fn sort_layers(&mut self, job: &JobId) {
        let cluster = self.cluster_of.get(job);
        let rows = cluster.and_then(|key| self.clusters.get_mut(key)?.jobs.get_mut(job));
        let layers = rows.map(|rows| std::mem::take(&mut rows.layers));
        for layer in layers.into_iter().flatten() {
            self.put_layer(layer.row);
        }
    }

    fn put_layer(&mut self, mut row: WaitingLayer) {
        let Some(key) = self.cluster_of.get(&row.job) else {
            return;
        };
        let Some(os) = self
            .clusters
            .get(key)
            .and_then(|cluster| cluster.jobs.get(&row.job))
            .map(|rows| rows.job.os.clone())
        else {
            return;
        };
        if row.layer.tags.iter().any(|tag| self.ignored.contains(tag)) {
            let tags = row.layer.tags.iter();
            let kept = tags.filter(|tag| !self.ignored.contains(tag));
            row.layer.tags = kept.cloned().collect();
            if row.layer.tags.is_empty() {
                // Left out on purpose.
                row.layer.waiting = 0;
            }
        }
        let key = key.clone();
        let shape = (row.layer.waiting > 0).then(|| self.shape(&row.layer, os));
        let Some(cluster) = self.clusters.get_mut(&key) else {
            return;
        };
        cluster.changed();
        let Some(job) = cluster.jobs.get_mut(&row.job) else {
            return;
        };
        let Some(shape) = shape else {
            return job.remove(&row.layer.id);
        };
        if let Some(shared) = self.shapes.get(shape as usize) {
            row.layer.tags = Arc::clone(&shared.layer.tags);
            if row.layer.services == shared.layer.services {
                row.layer.services = Arc::clone(&shared.layer.services);
            }
        }
        row.job = job.job.id.clone();
        job.put(LayerRows { shape, row });
    }

    fn shape(&mut self, layer: &Layer, os: Option<Arc<str>>) -> ShapeId {
        let key = ShapeKey {
            tags: Arc::clone(&layer.tags),
            os: os.clone(),
            cores: layer.cores_min.0,
            cores_max: layer.cores_max.map(|cores| cores.0),
            memory: layer.memory_min,
            gpus: layer.gpus_min,
            gpu_memory: layer.gpu_memory_min,
            threadable: layer.threadable,
        };
        let next = ShapeId::try_from(self.shapes.len()).unwrap_or(ShapeId::MAX);
        let shapes = &mut self.shapes;
        *self.shape_of.entry(key).or_insert_with(|| {
            shapes.push(Shape {
                layer: layer.clone(),
                os,
            });
            next
        })
    }
}
