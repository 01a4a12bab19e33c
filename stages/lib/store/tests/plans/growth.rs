//! The work of statements on a farm four times as large, with the statistics of a small one.
//!
//! A statement about a batch does not notice; one about the farm does four times as much, and not sixteen times. Rows
//! in memory count as well, where a join of two lists without an index hides from the pages that are read.

use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::{JobSpec, launch_jobs};

use super::Farm;
use crate::session::{Session, arguments};

/// Jobs of one frame on the first farm. Half of them run.
const JOBS: usize = 300;

/// Size of the second farm, in sizes of the first.
const GROWN: usize = 4;

/// Readings of a whole table of the farm that a statement may make, which are cheap while it is small. One that reads
/// all that waits for each of its 64 layers makes twice as many.
const READS: i64 = 15;

/// Ends all jobs, as the statistics see the farm.
const FINISH: &str = "
    SET LOCAL session_replication_role = replica;
    DELETE FROM proc;
    UPDATE frame SET str_state = 'SUCCEEDED';
    UPDATE layer_stat SET int_waiting_count = 0, int_running_count = 0, int_succeeded_count = int_total_count;
    UPDATE job_stat SET int_waiting_count = 0, int_running_count = 0, int_succeeded_count = 100;
    UPDATE job_resource SET int_cores = 0, int_max_cores = 0;
    UPDATE job SET str_state = 'FINISHED'";

/// Statements that read the whole farm, or a part that grows with it.
const OF_THE_FARM: &[&str] = &[
    "carried_tags",
    "check_counters",
    "check_limits",
    "check_meaning",
    "check_shared",
    "check_shows",
    "check_unreported",
    "closed_hosts",
    "compare_accounts",
    "demand_gone",
    "demand_jobs",
    "demand_subscriptions",
    "host_snapshot",
    "host_tags",
    "ledger_faults",
    "record_farm",
    "unlaunched_procs",
    "why_facts",
    "why_tagged",
];

impl Farm {
    /// Adds jobs of one frame and a host for each, and starts half of them.
    async fn fill_with_small_jobs(&self, from: usize, to: usize) {
        let tag = &self.fixture.allocation.name;
        let jobs: Vec<JobSpec> = (from..to)
            .map(|n| {
                let mut job = JobSpec::new(self.fixture.place(), &format!("small{n:05}"));
                job.layer("render", tag, |layer| layer.frames = 1);
                job
            })
            .collect();
        launch_jobs(&self.db.pool, &jobs).await.unwrap();
        self.fill(&format!("grown{from}-"), (to - from) as u32 / 4, 0, 0)
            .await;
        self.book((to - from) as u32 / 128).await;
    }

    async fn works(&self) -> Vec<(&'static str, i64)> {
        let arguments = arguments(&self.db.pool, &self.cases).await;
        let mut session = Session::open(&self.db.url).await;
        let mut works = Vec::new();
        for case in &self.cases {
            let work = session.work(case, &arguments).await;
            works.push((case.statement.name, work));
        }
        works
    }
}

async fn statements_grow_no_faster_than_the_farm(version: SchemaVersion) {
    let farm = Farm::new(version).await;
    farm.fill("few", 20, 60, 1).await;
    farm.db.run(FINISH).await;
    farm.db.run("VACUUM ANALYZE").await;
    farm.fill_with_small_jobs(0, JOBS).await;
    let before = farm.works().await;
    farm.fill_with_small_jobs(JOBS, GROWN * JOBS).await;
    let after = farm.works().await;
    let mut worse = Vec::new();
    for ((name, before), (_, after)) in before.into_iter().zip(after) {
        println!("{name}: {before}, grown {after}");
        let times = if OF_THE_FARM.contains(&name) { 6 } else { 1 };
        if after > times * before + READS * (GROWN - 1) as i64 * JOBS as i64 {
            worse.push(format!("{name}: {before}, grown {after}"));
        }
    }
    assert!(worse.is_empty(), "{version}:\n{}", worse.join("\n"));
}

#[tokio::test]
async fn statements_grow_no_faster_than_the_farm_does() {
    statements_grow_no_faster_than_the_farm(SchemaVersion::V47).await;
}

#[tokio::test]
async fn statements_grow_no_faster_than_the_farm_does_in_the_newest_schema() {
    statements_grow_no_faster_than_the_farm(SchemaVersion::V51).await;
}
