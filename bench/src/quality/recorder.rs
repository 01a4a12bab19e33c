//! Records what simulated hosts run, and passes the ends of frames on to the stand-in for Cuebot.
//!
//! Invariant: an end is recorded before the completer hears of it, so in the record a core is free
//! before anything can be booked on it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cue_simfarm::completion::Completion;
use cue_simfarm::rqd::LaunchRecord;
use cue_simfarm::seed::{JobSpec, Launched};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::timeline::{HostFacts, Run, Timeline};
use crate::latency::End;
use crate::yard::cores_of;

/// Ends that wait for the completer.
const QUEUE: usize = 65_536;

/// The proc of a run, and its end.
type Ended = (String, End);

/// Records runs.
pub struct Recorder {
    began: Instant,
    ends: Arc<Mutex<Vec<Ended>>>,
    tasks: JoinSet<()>,
    frames: HashMap<String, Owner>,
    jobs: usize,
    layers: usize,
}

/// The job and the layer of a frame, by number, and its GPUs.
#[derive(Clone, Copy)]
struct Owner {
    job: usize,
    layer: usize,
    gpus: u64,
}

impl Recorder {
    /// Starts to record the ends of frames. They come out of the receiver that is returned.
    pub fn start(mut ends: mpsc::Receiver<Completion>) -> (Self, mpsc::Receiver<Completion>) {
        let (passed, received) = mpsc::channel(QUEUE);
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let record = Arc::clone(&recorded);
        tasks.spawn(async move {
            while let Some(end) = ends.recv().await {
                let cores = u64::try_from(end.num_cores / 100).unwrap_or(0);
                let ended = End {
                    at: Instant::now(),
                    host: Arc::clone(&end.host),
                    cores,
                };
                record
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((end.resource_id.clone(), ended));
                if passed.send(end).await.is_err() {
                    return;
                }
            }
        });
        let recorder = Self {
            began: Instant::now(),
            ends: recorded,
            tasks,
            frames: HashMap::new(),
            jobs: 0,
            layers: 0,
        };
        (recorder, received)
    }

    /// Makes this moment the beginning.
    pub fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Seconds since the beginning.
    pub fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Takes in jobs that were submitted. Returns the number of the first; the others follow.
    pub fn submitted(&mut self, specs: &[JobSpec], launched: &[Launched]) -> usize {
        let first = self.jobs;
        for (spec, job) in specs.iter().zip(launched) {
            for (spec, layer) in spec.layers.iter().zip(&job.layers) {
                let owner = Owner {
                    job: self.jobs,
                    layer: self.layers,
                    gpus: spec.gpus_min.unsigned_abs(),
                };
                let frames = layer.frames.iter().cloned();
                self.frames.extend(frames.map(|frame| (frame, owner)));
                self.layers += 1;
            }
            self.jobs += 1;
        }
        first
    }

    /// Waits until every end was passed on. The sender of the ends must be gone.
    pub async fn passed_on(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// The ends so far, in order.
    pub fn ends(&self) -> Vec<End> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter().map(|(_, end)| end.clone()).collect()
    }

    /// The runs of these launches.
    pub fn timeline(
        &self,
        launches: &[LaunchRecord],
        hosts: Vec<HostFacts>,
        over: f64,
    ) -> Timeline {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let ends: HashMap<&str, Instant> = ends
            .iter()
            .map(|(proc, end)| (proc.as_str(), end.at))
            .collect();
        let names = hosts.iter().enumerate();
        let names: HashMap<&str, usize> = names.map(|(n, host)| (host.name.as_str(), n)).collect();
        let seconds = |at: Instant| at.saturating_duration_since(self.began).as_secs_f64();
        let run = |launch: &LaunchRecord| {
            let owner = self.frames.get(&*launch.frame_id)?;
            let end = ends.get(launch.resource_id.as_str());
            Some(Run {
                start: seconds(launch.at),
                end: end.map_or(f64::INFINITY, |end| seconds(*end)),
                job: owner.job,
                layer: owner.layer,
                host: *names.get(&*launch.host)?,
                cores: cores_of(launch),
                gpus: owner.gpus,
            })
        };
        Timeline {
            runs: launches.iter().filter_map(run).collect(),
            over,
            hosts,
        }
    }
}
