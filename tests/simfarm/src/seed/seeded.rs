//! Rows and numbers of a seeded farm.

/// A seeded row: its id and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The primary key.
    pub id: String,
    /// The name; of an allocation, its tag.
    pub name: String,
}

/// Summary of a seeded farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// The facility.
    pub facility: Named,
    /// The shows, in the order of their names.
    pub shows: Vec<Named>,
    /// The allocations, named by their tags.
    pub allocations: Vec<Named>,
    /// Number of hosts.
    pub hosts: usize,
    /// Number of jobs.
    pub jobs: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of frames, all of them WAITING.
    pub frames: u64,
    /// Whole cores of all hosts.
    pub cores: u64,
    /// GPUs of all hosts.
    pub gpus: u64,
}
