//! Seeding: whole farms in seconds, single jobs on a running farm, and small fixtures for tests.
//!
//! A farm is first planned (`plan`, pure and decided by the seed alone) and then written in sets
//! (`rows`), through the schema's own triggers.
//!
//! Invariant: after seeding, every counter equals the frames it counts, no host is booked, and a
//! job becomes PENDING in the same transaction as its frames, last.

mod defaults;
mod draw;
mod fixture;
mod launch;
mod plan;
mod plan_work;
mod rows;
mod spec;
mod work_rows;

pub use fixture::Fixture;
pub use launch::{JobSpec, Launched, LaunchedLayer, LayerSpec, Place, launch_job};
pub use rows::HostSpec;
pub use spec::{
    FarmSpec, FolderShape, HostClass, HostTags, JobShape, LayerShape, LimitSpec, Span, SpecError,
    SubscriptionShape, ThreadMode,
};

use sqlx::PgPool;

/// A seeded row: its id and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The primary key.
    pub id: String,
    /// The name; of an allocation, its tag.
    pub name: String,
}

/// What was seeded.
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

/// Fills an empty farm as `spec` says, in one transaction. The same seed gives the same rows,
/// ids included; only timestamps differ.
pub async fn seed(pool: &PgPool, spec: &FarmSpec, seed: u64) -> anyhow::Result<Seeded> {
    spec.check()?;
    let plan = plan::FarmPlan::new(spec, seed);
    let mut tx = pool.begin().await?;
    rows::insert_sites(&mut tx, &plan.sites).await?;
    rows::insert_hosts(&mut tx, &plan.hosts).await?;
    work_rows::insert_jobs(&mut tx, &plan.jobs).await?;
    tx.commit().await?;
    if spec.analyze {
        sqlx::query("ANALYZE").execute(pool).await?;
    }
    Ok(plan.summary())
}
