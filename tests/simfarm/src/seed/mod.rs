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
mod recorded;
mod rows;
mod seeded;
mod spec;
mod work_rows;

pub use fixture::Fixture;
pub use launch::{JobSpec, Launched, LaunchedLayer, LayerSpec, Place, launch_job, launch_jobs};
pub use recorded::seed_recording;
pub use rows::HostSpec;
pub use seeded::{Named, Seeded};
pub use spec::{
    FarmSpec, FolderShape, HostClass, HostTags, JobShape, LayerShape, LimitSpec, Span, SpecError,
    SubscriptionShape, ThreadMode,
};

use sqlx::PgPool;

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
