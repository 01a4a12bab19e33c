//! Cuebot and operators beside the schedulers: they book frames, end runs, retry, eat, pause, raise
//! caps and lock hosts, without asking anybody.
//!
//! Invariant: caps are only raised, so that they can be audited at any time; and a run is ended in
//! the database only when its host has it, for Cuebot knows of no other.

use cue_simfarm::waiting::within;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::ids::{AllocId, FolderId, FrameId, HostId, JobId, ShowId};
use cue_domain::{Centicores, ProcId};
use cue_proto::report::RunningFrameInfo;
use cue_simfarm::completion::{Completer, CompleterSettings, Completion, CompletionStats};
use cue_simfarm::foreign::{self, Booking};
use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::ends::Dice;
use crate::world::World;
use crate::yard::ONE;

/// Counters that may be capped.
#[derive(Clone)]
pub struct Caps {
    pub show: ShowId,
    pub alloc: AllocId,
    /// In cores, as it is now.
    pub burst: i64,
    pub folder: FolderId,
    /// In cores, as it is now.
    pub folder_cores: i64,
}

/// Changes that were made.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnCounters {
    pub booked: u64,
    pub killed: u64,
    pub retried: u64,
    /// Frames that had succeeded and were to run once more.
    pub reruns: u64,
    pub eaten: u64,
    pub pauses: u64,
    pub raises: u64,
    pub locks: u64,
}

/// Random operator, and clumsy Cuebot.
pub struct RandomOperator<'a> {
    world: &'a World,
    pool: PgPool,
    dice: Dice,
    caps: Caps,
    counters: TurnCounters,
    own: Vec<(Completion, Instant)>,
    ends: mpsc::Sender<Completion>,
    completer: Completer,
    locked: Option<HostId>,
    paused: Option<JobId>,
}

impl<'a> RandomOperator<'a> {
    pub fn new(world: &'a World, caps: Caps, seed: u64) -> Self {
        let (ends, taken) = mpsc::channel(1024);
        let pool = world.db.pool.clone();
        let completer = Completer::start(pool.clone(), taken, CompleterSettings::default());
        Self {
            world,
            pool,
            dice: Dice::new(seed),
            caps,
            counters: TurnCounters::default(),
            own: Vec::new(),
            ends,
            completer,
            locked: None,
            paused: None,
        }
    }

    /// Meddles until a moment, then puts everything right that would keep frames from running.
    pub async fn meddle(mut self, until: Instant) -> (TurnCounters, CompletionStats) {
        while Instant::now() < until {
            match self.dice.below(10) {
                0..=2 => self.book_one().await,
                3..=4 => self.kill_one().await,
                5 => self.retry_one().await,
                6 => self.pause_another().await,
                7 => self.lock_another().await,
                8 => self.raise_a_cap().await,
                _ => self.eat_one().await,
            }
            self.end_own(Duration::from_millis(60)).await;
            let pause = self.dice.ms(2, 25);
            tokio::time::sleep(pause).await;
        }
        self.unlock().await;
        self.unpause().await;
        self.end_own(Duration::ZERO).await;
        drop(self.ends);
        let stats = within("Cuebot's own runs to end", self.completer.finish()).await;
        (self.counters, stats)
    }

    /// Books one frame that neither a folder nor a limit caps, for Cuebot's booking does not look at
    /// those: its search does, at another time.
    async fn book_one(&mut self) {
        let frame = "SELECT f.pk_frame, f.pk_job, f.pk_layer FROM frame f JOIN job j ON j.pk_job = f.pk_job
            WHERE j.str_name LIKE 'open%' AND j.str_state = 'PENDING' AND NOT j.b_paused AND f.str_state = 'WAITING'
            ORDER BY random() LIMIT 1";
        let frame: Option<(String, String, String)> = sqlx::query_as(frame)
            .fetch_optional(&self.pool)
            .await
            .unwrap();
        let host = "SELECT h.pk_host, h.str_name FROM host h
            WHERE h.str_lock_state = 'OPEN' AND h.int_cores_idle >= 100 ORDER BY random() LIMIT 1";
        let host: Option<(String, String)> = sqlx::query_as(host)
            .fetch_optional(&self.pool)
            .await
            .unwrap();
        let (Some((frame, job, layer)), Some((host, name))) = (frame, host) else {
            return;
        };
        let (id, on) = (FrameId::from(frame.as_str()), HostId::from(host));
        match foreign::book_one_frame_like_cuebot(&self.pool, &id, &on, ONE).await {
            Ok(Booking::Booked(proc)) => {
                self.counters.booked += 1;
                let end = completion(&proc, &name, [frame, job, layer]);
                self.own.push((end, Instant::now()));
            }
            Ok(Booking::FrameTaken | Booking::Refused(_)) => {}
            Err(error) => assert!(may_happen(&error), "{error}"),
        }
    }

    /// Ends the own runs that are so old.
    async fn end_own(&mut self, age: Duration) {
        let (over, going): (Vec<_>, Vec<_>) = std::mem::take(&mut self.own)
            .into_iter()
            .partition(|(_, since)| since.elapsed() >= age);
        self.own = going;
        for (end, _) in over {
            self.ends.send(end).await.unwrap();
        }
    }

    fn running(&mut self) -> Option<RunningFrameInfo> {
        let reports = self.world.rqd.reports();
        let all: Vec<_> = reports.into_iter().flat_map(|host| host.frames).collect();
        self.dice.pick(&all).cloned()
    }

    /// A run fails, and goes back to waiting.
    async fn kill_one(&mut self) {
        if let Some(run) = self.running() {
            let ended = self.world.rqd.finish(&run.frame_id, 1).await;
            self.counters.killed += u64::from(ended);
        }
    }

    /// An operator retries a running frame. Its job is paused meanwhile: the host is asked after the
    /// database, and until then the frame must not be launched again.
    async fn retry_one(&mut self) {
        let Some(run) = self.running() else { return };
        let (frame, job) = (
            FrameId::from(run.frame_id.as_str()),
            JobId::from(run.job_id),
        );
        foreign::pause_job(&self.pool, &job, true).await.unwrap();
        match foreign::retry_frame(&self.pool, &frame).await.unwrap() {
            Some(_) => self.counters.retried += 1,
            None => self.counters.reruns += 1,
        }
        self.world.rqd.finish(&run.frame_id, 1).await;
        if self.paused.as_ref() != Some(&job) {
            foreign::pause_job(&self.pool, &job, false).await.unwrap();
        }
    }

    async fn eat_one(&mut self) {
        // Rarely: what is eaten is work that the schedulers do not have any more.
        if self.dice.below(4) > 0 {
            return;
        }
        let Some(run) = self.running() else { return };
        let frame = FrameId::from(run.frame_id.as_str());
        let eaten = foreign::eat_frame(&self.pool, &frame).await.unwrap();
        self.counters.eaten += u64::from(eaten.is_some());
        self.world.rqd.finish(&run.frame_id, 1).await;
    }

    async fn pause_another(&mut self) {
        self.unpause().await;
        let job = "SELECT pk_job FROM job WHERE str_state = 'PENDING' ORDER BY random() LIMIT 1";
        let job: Option<String> = sqlx::query_scalar(job)
            .fetch_optional(&self.pool)
            .await
            .unwrap();
        let Some(job) = job.map(JobId::from) else {
            return;
        };
        foreign::pause_job(&self.pool, &job, true).await.unwrap();
        self.counters.pauses += 1;
        self.paused = Some(job);
    }

    async fn unpause(&mut self) {
        if let Some(job) = self.paused.take() {
            foreign::pause_job(&self.pool, &job, false).await.unwrap();
        }
    }

    async fn lock_another(&mut self) {
        self.unlock().await;
        let host = "SELECT pk_host FROM host ORDER BY random() LIMIT 1";
        let host: String = sqlx::query_scalar(host)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let host = HostId::from(host);
        foreign::lock_host(&self.pool, &host, true).await.unwrap();
        self.counters.locks += 1;
        self.locked = Some(host);
    }

    async fn unlock(&mut self) {
        if let Some(host) = self.locked.take() {
            foreign::lock_host(&self.pool, &host, false).await.unwrap();
        }
    }

    async fn raise_a_cap(&mut self) {
        // Rarely, so that the caps stay tight for long.
        if self.dice.below(8) > 0 {
            return;
        }
        self.counters.raises += 1;
        let (pool, caps) = (&self.pool, &mut self.caps);
        if self.dice.below(2) == 0 {
            caps.burst += 1;
            let burst = Centicores::cores(caps.burst);
            let raised = foreign::set_subscription_burst(pool, &caps.show, &caps.alloc, burst);
            raised.await.unwrap();
        } else {
            caps.folder_cores += 1;
            let cap = Some(Centicores::cores(caps.folder_cores));
            let raised = foreign::set_folder_max_cores(pool, &caps.folder, cap);
            raised.await.unwrap();
        }
    }
}

/// The report of a run that Cuebot booked itself.
fn completion(proc: &ProcId, host: &str, [frame, job, layer]: [String; 3]) -> Completion {
    Completion {
        host: host.into(),
        resource_id: proc.as_str().to_owned(),
        frame_id: Arc::from(frame),
        frame_name: "0001-render".to_owned(),
        job_id: job,
        layer_id: layer,
        num_cores: 100,
        exit_status: 0,
        exit_signal: 0,
        run_time: Duration::from_millis(60),
        max_rss: cue_domain::Kib(1024),
    }
}

/// Errors that Cuebot meets under contention, and goes on from.
fn may_happen(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["40P01", "55P03"].contains(&&*code))
}
