//! A farm whose caps, tags and locks change all the time.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, FolderId, JobId, ShowId};
use cue_simfarm::foreign;

use super::caps::{GRACE, folder_of};
use super::farms::{hosts, mean};
use crate::quality::farm::Farm;
use crate::quality::measures::{Cap, starts_above};
use crate::quality::outcome::Outcome;
use crate::quality::timeline::whole;

/// The jobs by number.
const CAPPED_JOB: usize = 0;
const IN_FOLDER: usize = 1;
const TAGGED: usize = 2;
const OF_SHOW: usize = 3;

/// Caps, folders, tags, bursts and locks changed every second.
pub async fn prod_env() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&[(10, 32)]);
    spec.shows = 2;
    spec.folders.per_show = 1;
    spec.folders.max_cores = -1;
    let mut farm = Farm::open(&spec, mean(3.0)).await?;
    let mut jobs = Vec::new();
    for (show, name) in [(0, "capped"), (0, "folder"), (0, "tagged"), (1, "show")] {
        let mut job = farm.job(show, name, 50)?;
        job.layers = (0..2)
            .map(|n| farm.layer(&format!("layer{n}"), 700))
            .collect();
        jobs.push(job);
    }
    jobs[IN_FOLDER].place.folder = folder_of(&farm).await?;
    jobs[TAGGED]
        .layers
        .iter_mut()
        .for_each(|layer| "fast".clone_into(&mut layer.tags));
    let mut world = Changes::new(&farm).await?;
    for host in 4..7 {
        world.tag(&farm, host, true).await?;
    }
    let (_, launched) = farm.submit(&jobs).await?;
    farm.start(1).await?;
    farm.run(3.0).await;
    // Two rounds of tightening and loosening; in the end nothing binds.
    for n in 0..20 {
        world.change(&farm, n, &launched[CAPPED_JOB].id).await?;
        farm.run(1.0).await;
        farm.audit_counters().await?;
    }
    let seen = farm.close().await?;
    let above = |group: usize| {
        starts_above(&seen.timeline, &world.caps[group], GRACE, |run| {
            run.job == group
        })
    };
    let locked = starts_above(&seen.timeline, &world.locks, GRACE, |run| run.host < 3);
    let untagged = seen.timeline.runs.iter().filter(|run| run.job == TAGGED);
    let untagged = untagged
        .filter(|run| world.is_untagged(run.host, run.start))
        .count() as u64;
    Ok(seen
        .outcome()
        .at_most(
            "launches above the job's cap",
            whole(above(CAPPED_JOB)),
            0.0,
        )
        .at_most("above the folder's", whole(above(IN_FOLDER)), 0.0)
        .at_most("above the burst", whole(above(OF_SHOW)), 0.0)
        .at_most("on locked hosts", whole(locked), 0.0)
        .at_most("on hosts without the tag", whole(untagged), 0.0)
        .at_most(
            "counters that differ from the procs",
            whole(seen.counter_findings),
            0.0,
        ))
}

/// Changes, each with its time.
struct Changes {
    folder: FolderId,
    show: ShowId,
    alloc: AllocId,
    /// Hosts by number.
    hosts: Vec<String>,
    /// Caps by job.
    caps: [Vec<Cap>; 4],
    /// A lock as a cap of no core on the locked hosts.
    locks: Vec<Cap>,
    /// Hosts that lost their tag or got it: when, which, whether they have it.
    tags: Vec<(f64, usize, bool)>,
}

impl Changes {
    async fn new(farm: &Farm) -> anyhow::Result<Self> {
        let hosts = sqlx::query_scalar("SELECT pk_host FROM host ORDER BY str_name");
        Ok(Self {
            folder: FolderId::from(folder_of(farm).await?),
            show: ShowId::from(&*farm.seeded.shows[1].id),
            alloc: AllocId::from(&*farm.seeded.allocations[0].id),
            hosts: hosts.fetch_all(&farm.db.pool).await?,
            caps: Default::default(),
            locks: Vec::new(),
            tags: Vec::new(),
        })
    }

    /// The `n`th change: each kind tightens, and loosens when its turn comes again.
    async fn change(&mut self, farm: &Farm, n: usize, job: &str) -> anyhow::Result<()> {
        let (pool, tight) = (&farm.db.pool, (n / 5).is_multiple_of(2));
        let cores = if tight { 30 } else { 10_000 };
        // A cap is held against the service from the moment at which it certainly binds, and no longer
        // from the moment at which it may have been lifted.
        let before = farm.now();
        let cap = |group: &mut Vec<Cap>, cores| {
            let since = if tight { farm.now() } else { before };
            group.push(Cap { since, cores });
        };
        let amount = Centicores(i64::try_from(cores)? * 100);
        match n % 5 {
            0 => {
                foreign::set_job_max_cores(pool, &JobId::from(job), amount).await?;
                cap(&mut self.caps[CAPPED_JOB], cores);
            }
            1 => {
                foreign::set_folder_max_cores(pool, &self.folder, Some(amount)).await?;
                cap(&mut self.caps[IN_FOLDER], cores);
            }
            2 => {
                foreign::set_subscription_burst(pool, &self.show, &self.alloc, amount).await?;
                cap(&mut self.caps[OF_SHOW], cores);
            }
            3 => {
                for host in &self.hosts[..3] {
                    foreign::lock_host(pool, &host.clone().into(), tight).await?;
                }
                cap(&mut self.locks, if tight { 0 } else { cores });
            }
            _ => self.tag(farm, 4, !tight).await?,
        }
        Ok(())
    }

    /// Gives a host the tag, or takes it away.
    async fn tag(&mut self, farm: &Farm, host: usize, has: bool) -> anyhow::Result<()> {
        let statement = if has {
            "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
             VALUES (md5('fast' || $1), $1, 'fast', 'MANUAL')"
        } else {
            "DELETE FROM host_tag WHERE pk_host = $1 AND str_tag = 'fast'"
        };
        sqlx::query(statement)
            .bind(&self.hosts[host])
            .execute(&farm.db.pool)
            .await?;
        self.tags.push((farm.now(), host, has));
        Ok(())
    }

    /// Returns true if the host has not had the tag for longer than the grace.
    fn is_untagged(&self, host: usize, time: f64) -> bool {
        let changes = || self.tags.iter().filter(|change| change.1 == host);
        let has = |time: f64| {
            changes()
                .rfind(|change| change.0 <= time)
                .is_some_and(|change| change.2)
        };
        !(4..=6).contains(&host) || (!has(time) && !has(time - GRACE))
    }
}
