//! Specification of a seeded farm, as a value and as a TOML text.
//!
//! Every table and key has a default; together the defaults are the demo's farm. Core amounts of
//! hosts and caps are whole cores, those of layers are centicores because 0 and negative values
//! have a meaning of their own there. Memory is in MiB or GiB, as the key says.
//!
//! Invariant: a spec that passes [`FarmSpec::check`] can be planned; only the database can still
//! refuse it.

use serde::Deserialize;

/// A farm to be seeded.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FarmSpec {
    /// Name of the facility.
    pub facility: String,
    /// Number of shows.
    pub shows: usize,
    /// True if the shows are booked by the scheduler, not by Cuebot.
    pub scheduler_managed: bool,
    /// Number of allocations; each has its own tag, and hosts are dealt to them in turn.
    pub allocations: usize,
    /// Number of users who own the jobs.
    pub users: usize,
    /// Classes of equal hosts.
    pub hosts: Vec<HostClass>,
    /// Tags of hosts beside those of allocation and hostname.
    pub host_tags: HostTags,
    /// The subscription of every show to every allocation.
    pub subscription: SubscriptionShape,
    /// The folders of every show.
    pub folders: FolderShape,
    /// The jobs of every show.
    pub jobs: JobShape,
    /// The layers of every job.
    pub layers: LayerShape,
    /// Limits, and how many layers have them.
    pub limits: Vec<LimitSpec>,
    /// Runs `ANALYZE` at the end, as autovacuum would do some time later.
    pub analyze: bool,
}

/// A class of equal hosts.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostClass {
    /// Number of hosts.
    pub count: usize,
    /// Whole cores.
    pub cores: i64,
    /// Memory as the host would report it, GiB; half a GiB of it is not for rent.
    pub memory_gib: i64,
    /// GPUs.
    pub gpus: i64,
    /// Memory of all GPUs, GiB.
    pub gpu_memory_gib: i64,
    /// The operating system.
    pub os: String,
    /// Mode in which threadable layers spread on the host.
    pub thread_mode: ThreadMode,
}

/// `host.int_thread_mode`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ThreadMode {
    /// Cores by memory.
    #[default]
    Auto = 0,
    /// A frame takes all idle cores; only threadable layers run.
    All = 1,
    /// Threadable layers get at least two cores.
    Variable = 2,
}

/// Further tags of hosts.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostTags {
    /// Tags set by people; a tagged host gets one of them.
    pub manual: Vec<String>,
    /// Share of hosts with a manual tag, 0 to 1.
    pub manual_share: f64,
    /// Tags reported by the machines; a tagged host gets one of them.
    pub hardware: Vec<String>,
    /// Share of hosts with a hardware tag, 0 to 1.
    pub hardware_share: f64,
}

/// A subscription.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubscriptionShape {
    /// Guaranteed whole cores.
    pub size: i64,
    /// Most whole cores at a time.
    pub burst: i64,
}

/// The folders of a show: a root, and below it the folders that hold the jobs.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolderShape {
    /// Folders with jobs; 0 puts all jobs into the root.
    pub per_show: usize,
    /// Cap of each folder with jobs, whole cores; -1 is no cap.
    pub max_cores: i64,
    /// Cap of each folder with jobs, GPUs; -1 is no cap.
    pub max_gpus: i64,
}

/// The jobs of a show.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobShape {
    /// Jobs of a show.
    pub per_show: Span,
    /// Priority, higher first.
    pub priority: Span,
    /// Cap of each job, whole cores.
    pub max_cores: i64,
    /// Cap of each job, GPUs.
    pub max_gpus: i64,
    /// Share of jobs that ask for the operating system of one of the host classes, 0 to 1.
    pub os_share: f64,
    /// Environment variables of each job.
    pub env_vars: usize,
}

/// The layers of a job.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LayerShape {
    /// Layers of a job.
    pub per_job: Span,
    /// Frames of a layer: rows, each a chunk.
    pub frames: Span,
    /// Frame numbers in a chunk.
    pub chunk: i64,
    /// The choices for the cores of a frame, centicores; 0 is a whole host.
    pub cores_min: Vec<i64>,
    /// The choices for the memory of a frame, MiB.
    pub mem_min_mib: Vec<i64>,
    /// Share of threadable layers, 0 to 1.
    pub threadable_share: f64,
    /// Share of layers that need one GPU, 0 to 1.
    pub gpu_share: f64,
    /// GPU memory of those, MiB.
    pub gpu_mem_min_mib: i64,
    /// Share of layers that accept a second allocation, 0 to 1.
    pub two_tags_share: f64,
    /// Share of layers that ask for a manual or hardware tag instead, 0 to 1.
    pub special_tag_share: f64,
    /// The command of every frame.
    pub command: String,
}

/// A limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// Its name.
    pub name: String,
    /// Most running frames.
    pub max: i32,
    /// Share of layers that have it, 0 to 1.
    pub share: f64,
}

/// A range of whole numbers, both ends included; `[min, max]` in TOML.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "[i64; 2]")]
pub struct Span {
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
}

impl Span {
    /// Always `n`.
    #[must_use]
    pub const fn exactly(n: i64) -> Self {
        Self { min: n, max: n }
    }

    /// From `min` to `max`.
    #[must_use]
    pub const fn new(min: i64, max: i64) -> Self {
        Self { min, max }
    }
}

impl From<[i64; 2]> for Span {
    fn from([min, max]: [i64; 2]) -> Self {
        Self { min, max }
    }
}

/// Faults of a specification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The text is no spec.
    #[error("the farm spec is not valid TOML for a farm")]
    Toml(#[from] toml::de::Error),
    /// Values that cannot be; all of them, each with its key and what is allowed.
    #[error("the farm spec cannot be seeded: {}", faults.join("; "))]
    Values {
        /// One sentence for each bad value.
        faults: Vec<String>,
    },
}

impl FarmSpec {
    /// Reads and checks a spec.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text)?;
        spec.check()?;
        Ok(spec)
    }

    /// Reports every value that cannot be, at once.
    pub fn check(&self) -> Result<(), SpecError> {
        let checks = self.number_checks().into_iter().chain(self.list_checks());
        let faults: Vec<String> = checks
            .filter(|(fine, _)| !fine)
            .map(|(_, fault)| fault)
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(SpecError::Values { faults })
        }
    }

    /// Checks of each number, with the message if it is not possible.
    fn number_checks(&self) -> Vec<(bool, String)> {
        let (shows, users, allocations) = (self.shows, self.users, self.allocations);
        let chunk = self.layers.chunk;
        let mut checks = vec![
            (
                (1..=9_999).contains(&shows),
                format!("shows is {shows}; allowed are 1 to 9999"),
            ),
            (
                (1..=9_999).contains(&users),
                format!("users is {users}; allowed are 1 to 9999"),
            ),
            (
                (1..=99).contains(&allocations),
                format!("allocations is {allocations}; allowed are 1 to 99"),
            ),
            (
                (1..=1_000_000).contains(&chunk),
                format!("layers.chunk is {chunk}; allowed are 1 to 1000000"),
            ),
        ];
        checks.extend(self.spans().map(|(key, Span { min, max }, least)| {
            let fine = least <= min && min <= max && max <= 1_000_000;
            (
                fine,
                format!("{key} is [{min}, {max}]; give [min, max] of {least} to 1000000"),
            )
        }));
        checks.extend(self.shares().into_iter().map(|(key, share)| {
            (
                (0.0..=1.0).contains(&share),
                format!("{key} is {share}; allowed are 0 to 1"),
            )
        }));
        checks
    }

    /// Checks of each name, choice and class of hosts, with the message if it is not possible.
    fn list_checks(&self) -> Vec<(bool, String)> {
        let mut checks = vec![
            (
                (1..=24).contains(&self.facility.len()),
                "facility must have 1 to 24 characters".to_owned(),
            ),
            (
                !self.layers.cores_min.is_empty(),
                "layers.cores_min is empty; give at least one value".to_owned(),
            ),
            (
                !self.layers.mem_min_mib.is_empty(),
                "layers.mem_min_mib is empty; give at least one value".to_owned(),
            ),
        ];
        let tags = self.host_tags.manual.iter().chain(&self.host_tags.hardware);
        checks.extend(tags.map(|tag| {
            let fine = (1..=32).contains(&tag.len()) && !tag.contains([' ', '|']);
            (
                fine,
                format!("tag {tag:?} must have 1 to 32 characters, no blank and no |"),
            )
        }));
        checks.extend(self.hosts.iter().map(|class| {
            let (cores, memory) = (class.cores, class.memory_gib);
            let fine = (1..=100_000).contains(&cores) && (1..=1_000_000).contains(&memory);
            (
                fine,
                format!("a host has {cores} cores and {memory} GiB; both must be positive"),
            )
        }));
        checks
    }

    fn spans(&self) -> [(&'static str, Span, i64); 4] {
        [
            ("jobs.per_show", self.jobs.per_show, 0),
            ("jobs.priority", self.jobs.priority, 0),
            ("layers.per_job", self.layers.per_job, 1),
            ("layers.frames", self.layers.frames, 1),
        ]
    }

    fn shares(&self) -> Vec<(&'static str, f64)> {
        let mut shares = vec![
            ("host_tags.manual_share", self.host_tags.manual_share),
            ("host_tags.hardware_share", self.host_tags.hardware_share),
            ("jobs.os_share", self.jobs.os_share),
            ("layers.threadable_share", self.layers.threadable_share),
            ("layers.gpu_share", self.layers.gpu_share),
            ("layers.two_tags_share", self.layers.two_tags_share),
            ("layers.special_tag_share", self.layers.special_tag_share),
        ];
        shares.extend(
            self.limits
                .iter()
                .map(|limit| ("limits.share", limit.share)),
        );
        shares
    }
}
