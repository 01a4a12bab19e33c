//! The smallest farm on which something can be booked, for tests that build their own case.
//!
//! It has one facility, show, department, allocation, subscription and folder. Hosts and jobs
//! are added with values that suit most tests; a closure changes the ones that matter, so that a
//! test shows exactly what it is about.
//!
//! Invariant: names are the test's own words, ids are random and returned.

use sqlx::PgPool;
use uuid::Uuid;

use super::launch::{JobSpec, Launched, LayerSpec, Place, launch_job};
use super::rows::{
    FolderRow, GIB, HostSpec, LimitRow, Sites, SubscriptionRow, insert_folders, insert_hosts,
    insert_limits, insert_sites, insert_subscriptions,
};
use super::seeded::Named;

/// A minimal farm.
#[derive(Clone, Debug)]
pub struct Fixture {
    pool: PgPool,
    /// The facility `yard`.
    pub facility: Named,
    /// The show `alpha`, managed by the scheduler.
    pub show: Named,
    /// The allocation with the tag `general`.
    pub allocation: Named,
    /// The id of the department.
    pub dept: String,
    /// The id of the root folder, without caps.
    pub folder: String,
    /// The id of the subscription: 100 cores guaranteed, 200 at most.
    pub subscription: String,
    /// The id of the point row.
    pub point: String,
}

impl Fixture {
    /// Writes the farm into an empty database.
    pub async fn new(pool: &PgPool) -> anyhow::Result<Self> {
        let fixture = Self {
            pool: pool.clone(),
            facility: named("yard"),
            show: named("alpha"),
            allocation: named("general"),
            dept: new_id(),
            folder: new_id(),
            subscription: new_id(),
            point: new_id(),
        };
        let mut tx = pool.begin().await?;
        insert_sites(&mut tx, &fixture.sites()).await?;
        tx.commit().await?;
        Ok(fixture)
    }

    /// Adds an idle host of 32 cores and 64 GiB with the tags of allocation and hostname.
    pub async fn host(
        &self,
        name: &str,
        change: impl FnOnce(&mut HostSpec),
    ) -> anyhow::Result<String> {
        let mut host = HostSpec {
            id: new_id(),
            name: name.to_owned(),
            allocation: self.allocation.id.clone(),
            cores: 3_200,
            memory: 64 * GIB,
            gpus: 0,
            gpu_memory: 0,
            os: "rocky9".to_owned(),
            thread_mode: 0,
            lock_state: "OPEN".to_owned(),
            state: "UP".to_owned(),
            tags: vec![
                (self.allocation.name.clone(), "ALLOC"),
                (name.to_owned(), "HOSTNAME"),
            ],
        };
        change(&mut host);
        let mut tx = self.pool.begin().await?;
        insert_hosts(&mut tx, std::slice::from_ref(&host)).await?;
        tx.commit().await?;
        Ok(host.id)
    }

    /// Launches a job. The closure adds its layers; without any it gets one of one frame.
    pub async fn job(
        &self,
        name: &str,
        change: impl FnOnce(&mut JobSpec),
    ) -> anyhow::Result<Launched> {
        let mut job = JobSpec::new(self.place(), name);
        change(&mut job);
        if job.layers.is_empty() {
            job.layers
                .push(LayerSpec::new("render", &self.allocation.name));
        }
        launch_job(&self.pool, &job).await
    }

    /// Launches a job with one layer, which the closure may change.
    pub async fn frames(
        &self,
        job: &str,
        frames: i64,
        change: impl FnOnce(&mut LayerSpec),
    ) -> anyhow::Result<Launched> {
        let mut layer = LayerSpec::new("render", &self.allocation.name);
        layer.frames = frames;
        change(&mut layer);
        self.job(job, |job| job.layers.push(layer)).await
    }

    /// Adds a limit of at most `max` running frames.
    pub async fn limit(&self, name: &str, max: i32) -> anyhow::Result<String> {
        let row = LimitRow {
            id: new_id(),
            name: name.to_owned(),
            max,
        };
        let mut conn = self.pool.acquire().await?;
        insert_limits(&mut conn, std::slice::from_ref(&row)).await?;
        Ok(row.id)
    }

    /// Adds a folder below the root; caps in centicores and GPUs, -1 is none.
    pub async fn folder(
        &self,
        name: &str,
        max_cores: i32,
        max_gpus: i32,
    ) -> anyhow::Result<String> {
        let row = FolderRow {
            id: new_id(),
            parent: Some(self.folder.clone()),
            show: self.show.id.clone(),
            name: name.to_owned(),
            max_cores,
            max_gpus,
        };
        let mut tx = self.pool.begin().await?;
        insert_folders(&mut tx, std::slice::from_ref(&row), &self.dept).await?;
        tx.commit().await?;
        Ok(row.id)
    }

    /// Adds an allocation whose tag is `tag`, with a subscription; amounts in centicores.
    pub async fn allocation(&self, tag: &str, size: i64, burst: i64) -> anyhow::Result<Named> {
        let allocation = named(tag);
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO alloc (pk_alloc, str_name, str_tag, pk_facility) VALUES ($1, $2, $3, $4)",
        )
        .bind(&allocation.id)
        .bind(format!("{}.{tag}", self.facility.name))
        .bind(tag)
        .bind(&self.facility.id)
        .execute(&mut *tx)
        .await?;
        let row = SubscriptionRow {
            id: new_id(),
            show: self.show.id.clone(),
            allocation: allocation.id.clone(),
            size,
            burst,
        };
        insert_subscriptions(&mut tx, std::slice::from_ref(&row)).await?;
        tx.commit().await?;
        Ok(allocation)
    }

    /// Show, folder, department and facility of a job of this farm.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            facility: self.facility.id.clone(),
            show: self.show.id.clone(),
            show_name: self.show.name.clone(),
            dept: self.dept.clone(),
            folder: self.folder.clone(),
        }
    }

    fn sites(&self) -> Sites {
        Sites {
            facility: self.facility.clone(),
            dept: Named {
                id: self.dept.clone(),
                name: "unit".to_owned(),
            },
            shows: vec![self.show.clone()],
            scheduler_managed: true,
            allocations: vec![self.allocation.clone()],
            subscriptions: vec![SubscriptionRow {
                id: self.subscription.clone(),
                show: self.show.id.clone(),
                allocation: self.allocation.id.clone(),
                size: 10_000,
                burst: 20_000,
            }],
            folders: vec![FolderRow {
                id: self.folder.clone(),
                parent: None,
                show: self.show.id.clone(),
                name: self.show.name.clone(),
                max_cores: -1,
                max_gpus: -1,
            }],
            points: vec![self.point.clone()],
            limits: Vec::new(),
        }
    }
}

fn named(name: &str) -> Named {
    Named {
        id: new_id(),
        name: name.to_owned(),
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}
