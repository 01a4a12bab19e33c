//! Jobs for a farm, and the ends of their frames.

use std::time::Instant;

use anyhow::{Context, ensure};
use cue_simfarm::seed::{JobSpec, Launched, LayerSpec, Place, launch_jobs};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Farm, LOOK};
use crate::stats::count;

impl Farm {
    /// A job of the `show`th show without layers, capped by nothing.
    ///
    /// # Errors
    /// The farm has no such show.
    pub fn job(&self, show: usize, name: &str, priority: i32) -> anyhow::Result<JobSpec> {
        let show = self
            .seeded
            .shows
            .get(show)
            .context("there is no such show")?;
        let (folder, dept) = self
            .places
            .get(&show.id)
            .context("the show has no folder")?;
        let place = Place {
            facility: self.seeded.facility.id.clone(),
            show: show.id.clone(),
            show_name: show.name.clone(),
            dept: dept.clone(),
            folder: folder.clone(),
        };
        let mut job = JobSpec::new(place, &format!("{}-{name}", show.name));
        job.priority = priority;
        job.max_cores = 10_000_000;
        job.max_gpus = 10_000;
        Ok(job)
    }

    /// A layer of one-core frames for the farm's first allocation.
    #[must_use]
    pub fn layer(&self, name: &str, frames: i64) -> LayerSpec {
        let tag = self
            .seeded
            .allocations
            .first()
            .map_or("", |found| &found.name);
        let mut layer = LayerSpec::new(name, tag);
        layer.frames = frames;
        layer
    }

    /// A job of the first show with `layers` layers of one-core frames.
    ///
    /// # Errors
    /// The farm has no show.
    pub fn plain(
        &self,
        name: &str,
        priority: i32,
        layers: usize,
        frames: i64,
    ) -> anyhow::Result<JobSpec> {
        let mut job = self.job(0, name, priority)?;
        job.layers = (0..layers)
            .map(|n| self.layer(&format!("layer{n:03}"), frames))
            .collect();
        Ok(job)
    }

    /// Submits jobs, all at the same moment. Returns the number of the first; the others follow.
    ///
    /// # Errors
    /// The database refused them.
    pub async fn submit(&mut self, jobs: &[JobSpec]) -> anyhow::Result<(usize, Vec<Launched>)> {
        let launched = launch_jobs(&self.db.pool, jobs).await?;
        Ok((self.recorder.submitted(jobs, &launched), launched))
    }

    /// Ends running frames, picked by lot, at a rate for some seconds: where frames do not end by themselves.
    ///
    /// # Errors
    /// Nothing ran.
    pub async fn end_by_lot(&self, rate: f64, seconds: f64) -> anyhow::Result<()> {
        let mut draw = StdRng::seed_from_u64(1);
        let (mut running, mut seen, mut ended) = (Vec::new(), 0, 0_u64);
        let began = Instant::now();
        while began.elapsed().as_secs_f64() < seconds {
            let launches = self.rqd.launches_since(seen);
            seen += launches.len();
            running.extend(launches.into_iter().map(|launch| launch.frame_id));
            ensure!(!running.is_empty(), "nothing runs that could end");
            while count(ended) < rate * began.elapsed().as_secs_f64() && !running.is_empty() {
                let frame = running.swap_remove(draw.random_range(0..running.len()));
                self.rqd.finish(&frame, 0).await;
                ended += 1;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
