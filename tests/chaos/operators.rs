//! Operators in the storm: they raise and lower caps, pause, lock, retry and eat.
//!
//! Invariant: what would keep frames from running for ever is put right in the end.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, FolderId, FrameId, HostId, JobId, ShowId};
use cue_simfarm::dice::Dice;
use cue_simfarm::foreign;
use sqlx::PgPool;

use crate::farm::Farm;

/// The burst of the show, in cores, when nobody has lowered it.
const BURST: i64 = 200;

/// The cap of the folder, in cores, when nobody has lowered it.
const FOLDER: i64 = 40;

/// Changes by operators.
#[derive(Default)]
pub struct Operators {
    paused: Vec<JobId>,
    locked: Vec<HostId>,
}

impl Operators {
    /// Does one thing.
    pub async fn act(&mut self, farm: &Farm, dice: &mut Dice) {
        let pool = farm.pool();
        match dice.below(8) {
            0 => set_burst(farm, BURST / 4 + dice.below(150) as i64).await,
            1 => set_folder(farm, 5 + dice.below(40) as i64).await,
            2 => {
                if let Some(job) = any(
                    pool,
                    "SELECT pk_job FROM job WHERE str_state = 'PENDING'",
                    dice,
                )
                .await
                {
                    let job = JobId::from(job);
                    foreign::pause_job(pool, &job, true).await.unwrap();
                    self.paused.push(job);
                }
            }
            3 => self.unpause(pool).await,
            4 => {
                if let Some(host) = any(pool, "SELECT pk_host FROM host", dice).await {
                    let host = HostId::from(host);
                    foreign::lock_host(pool, &host, true).await.unwrap();
                    self.locked.push(host);
                }
            }
            5 => self.unlock(pool).await,
            6 => end_one(farm, dice, false).await,
            _ => {
                let eat = dice.below(4) == 0;
                end_one(farm, dice, eat).await;
            }
        }
    }

    /// Takes back what would keep frames from running.
    pub async fn relent(&mut self, farm: &Farm) {
        self.unpause(farm.pool()).await;
        self.unlock(farm.pool()).await;
        set_burst(farm, BURST).await;
        set_folder(farm, FOLDER).await;
    }

    async fn unpause(&mut self, pool: &PgPool) {
        for job in self.paused.drain(..) {
            foreign::pause_job(pool, &job, false).await.unwrap();
        }
    }

    async fn unlock(&mut self, pool: &PgPool) {
        for host in self.locked.drain(..) {
            foreign::lock_host(pool, &host, false).await.unwrap();
        }
    }
}

/// Retries or eats a frame that runs.
async fn end_one(farm: &Farm, dice: &mut Dice, eat: bool) {
    let reports = farm.rqd.reports();
    let runs: Vec<_> = reports.iter().flat_map(|host| &host.frames).collect();
    let Some(run) = dice.pick(&runs) else { return };
    let frame = FrameId::from(run.frame_id.as_str());
    let running = "SELECT count(*) FROM frame WHERE pk_frame = $1 AND str_state = 'RUNNING'";
    let running: i64 = sqlx::query_scalar(running)
        .bind(frame.as_str())
        .fetch_one(farm.pool())
        .await
        .unwrap();
    // A frame that has succeeded meanwhile would rightly run once more.
    if running == 0 {
        return;
    }
    if eat {
        farm.cuebot.eat(&frame).await.unwrap();
    } else {
        farm.cuebot.retry(&frame).await.unwrap();
    }
}

async fn set_burst(farm: &Farm, cores: i64) {
    let show = ShowId::from(farm.fixture.show.id.as_str());
    let alloc = AllocId::from(farm.fixture.allocation.id.as_str());
    let burst = Centicores::cores(cores);
    foreign::set_subscription_burst(farm.pool(), &show, &alloc, burst)
        .await
        .unwrap();
}

async fn set_folder(farm: &Farm, cores: i64) {
    let folder = FolderId::from(farm.folder.as_str());
    let cap = Some(Centicores::cores(cores));
    foreign::set_folder_max_cores(farm.pool(), &folder, cap)
        .await
        .unwrap();
}

/// One of the ids that a query lists.
async fn any(pool: &PgPool, query: &'static str, dice: &mut Dice) -> Option<String> {
    let mut ids: Vec<String> = sqlx::query_scalar(query).fetch_all(pool).await.unwrap();
    ids.sort_unstable();
    dice.pick(&ids).cloned()
}
