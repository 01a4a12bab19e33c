//! Memory of simulated hosts: frames, launches, faults.
//!
//! Plain data without a clock or a task, held under one short lock. A host's cores in use are
//! always the sum over its frames, and a frame leaves by [`State::end`] only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::{Centicores, Kib};
use cue_proto::report::RunningFrameInfo;
use cue_proto::rqd::RunFrame;
use tonic::Status;

use super::settings::{Fault, Program, SimHost};
use super::words::Refusal;

/// A launch that a host accepted.
#[derive(Clone, Debug)]
pub struct LaunchRecord {
    /// The host.
    pub host: Arc<str>,
    /// The frame.
    pub frame_id: Arc<str>,
    /// The proc it was booked as.
    pub resource_id: String,
    /// Its cores, in centicores.
    pub num_cores: i32,
    /// Time of the launch.
    pub at: Instant,
    /// The header `traceparent`, when there was one.
    pub traceparent: Option<String>,
    /// The whole message, when the settings keep it.
    pub run_frame: Option<Arc<RunFrame>>,
}

/// The end of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The host it ran on.
    pub host: Arc<str>,
    /// The proc it was booked as.
    pub resource_id: String,
    /// The frame.
    pub frame_id: Arc<str>,
    /// Its name.
    pub frame_name: String,
    /// Its job.
    pub job_id: String,
    /// Its layer.
    pub layer_id: String,
    /// Its cores, in centicores.
    pub num_cores: i32,
    /// Exit status: 0 is success.
    pub exit_status: i32,
    /// The signal that ended it: 9 when it was killed, else 0.
    pub exit_signal: i32,
    /// Time for which it ran.
    pub run_time: Duration,
    /// The most memory it had.
    pub max_rss: Kib,
}

/// A host and what runs on it.
#[derive(Debug)]
pub(super) struct Host {
    pub name: Arc<str>,
    pub has: Option<SimHost>,
    pub cores_in_use: i64,
    pub frames: HashMap<Arc<str>, Running>,
    pub program: Program,
    fault: Fault,
}

/// A frame that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// Number that distinguishes runs of one frame.
    pub run: u64,
    pub info: RunningFrameInfo,
    pub since: Instant,
}

/// Everything simulated hosts remember.
#[derive(Debug, Default)]
pub(super) struct State {
    hosts: HashMap<Arc<str>, Host>,
    /// On how many hosts a frame runs; without those that run nowhere.
    copies: HashMap<Arc<str>, usize>,
    launches: Vec<LaunchRecord>,
    double_launches: usize,
    relaunches_refused: usize,
    /// Good ends of each frame; without those that have none.
    good_ends: HashMap<Arc<str>, usize>,
    default_fault: Fault,
    program: Program,
    refused_layers: HashMap<String, Status>,
}

/// A launch as it came in.
pub(super) struct Launch {
    pub frame: RunFrame,
    pub info: RunningFrameInfo,
    pub traceparent: Option<String>,
    pub keep: bool,
}

impl State {
    pub(super) fn new(hosts: &HashMap<String, SimHost>, program: Program) -> Self {
        let mut state = Self {
            program,
            ..Self::default()
        };
        for (name, has) in hosts {
            state.host(name).has = Some(*has);
        }
        state
    }

    pub(super) fn host(&mut self, name: &str) -> &mut Host {
        let name: Arc<str> = name.into();
        let (fault, program) = (self.default_fault, self.program);
        self.hosts.entry(name).or_insert_with_key(|name| Host {
            name: Arc::clone(name),
            has: None,
            cores_in_use: 0,
            frames: HashMap::new(),
            program,
            fault,
        })
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    pub(super) fn fault(&mut self, host: &str) -> Fault {
        self.host(host).fault
    }

    pub(super) fn set_fault(&mut self, host: &str, fault: Fault) {
        self.host(host).fault = fault;
    }

    pub(super) fn set_fault_all(&mut self, fault: Fault) {
        self.default_fault = fault;
        for host in self.hosts.values_mut() {
            host.fault = fault;
        }
    }

    /// All launches of the layer are refused with this answer, by every host.
    pub(super) fn refuse_layer(&mut self, layer_id: &str, answer: Option<Status>) {
        match answer {
            Some(answer) => self.refused_layers.insert(layer_id.to_owned(), answer),
            None => self.refused_layers.remove(layer_id),
        };
    }

    /// Launches, or says why not as RQD would. Returns the number of the run.
    pub(super) fn launch(&mut self, host: &str, launch: Launch) -> Result<u64, Status> {
        let Launch {
            frame,
            info,
            traceparent,
            keep,
        } = launch;
        let frame_id: Arc<str> = frame.frame_id.as_str().into();
        let run = self.launches.len() as u64;
        let refused = self.refused_layers.get(&frame.layer_id).cloned();
        let host = self.host(host);
        let program = host.program;
        if host.frames.contains_key(&frame_id) {
            self.relaunches_refused += 1;
            return Err(program.refuse(Refusal::AlreadyRunning(&frame.frame_id)));
        }
        host.check(&frame).map_err(|why| program.refuse(why))?;
        refused.map_or(Ok(()), Err)?;
        host.cores_in_use += i64::from(frame.num_cores);
        let since = Instant::now();
        let record = LaunchRecord {
            host: Arc::clone(&host.name),
            frame_id: Arc::clone(&frame_id),
            resource_id: frame.resource_id.clone(),
            num_cores: frame.num_cores,
            at: since,
            traceparent,
            run_frame: keep.then(|| Arc::new(frame)),
        };
        host.frames
            .insert(Arc::clone(&frame_id), Running { run, info, since });
        self.launches.push(record);
        let copies = self.copies.entry(frame_id).or_default();
        if *copies > 0 {
            self.double_launches += 1;
        }
        *copies += 1;
        Ok(run)
    }

    pub(super) fn running(&self, host: &str, frame_id: &str) -> Option<&Running> {
        self.hosts.get(host)?.frames.get(frame_id)
    }

    /// Ends a frame; `None` when the host does not have it.
    pub(super) fn end(
        &mut self,
        host: &str,
        frame_id: &str,
        exit_status: i32,
        exit_signal: i32,
    ) -> Option<Completion> {
        let host = self.hosts.get_mut(host)?;
        let (frame_id, Running { info, since, .. }) = host.frames.remove_entry(frame_id)?;
        host.cores_in_use -= i64::from(info.num_cores);
        if let Entry::Occupied(mut copies) = self.copies.entry(Arc::clone(&frame_id)) {
            *copies.get_mut() -= 1;
            if *copies.get() == 0 {
                copies.remove();
            }
        }
        if (exit_status, exit_signal) == (0, 0) {
            *self.good_ends.entry(Arc::clone(&frame_id)).or_default() += 1;
        }
        Some(Completion {
            host: Arc::clone(&host.name),
            resource_id: info.resource_id,
            frame_id,
            frame_name: info.frame_name,
            job_id: info.job_id,
            layer_id: info.layer_id,
            num_cores: info.num_cores,
            exit_status,
            exit_signal,
            run_time: since.elapsed(),
            max_rss: Kib(info.max_rss),
        })
    }

    pub(super) fn launches(&self) -> &[LaunchRecord] {
        &self.launches
    }

    pub(super) fn running_count(&self) -> usize {
        self.copies.values().sum()
    }

    pub(super) fn hosts_running(&self, frame_id: &str) -> Vec<String> {
        let hosts = self
            .hosts
            .values()
            .filter(|host| host.frames.contains_key(frame_id));
        let mut names: Vec<String> = hosts.map(|host| host.name.to_string()).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn cores_in_use(&self, host: &str) -> Centicores {
        Centicores(self.hosts.get(host).map_or(0, |host| host.cores_in_use))
    }

    pub(super) fn double_launches(&self) -> usize {
        self.double_launches
    }

    pub(super) fn good_ends(&self) -> &HashMap<Arc<str>, usize> {
        &self.good_ends
    }

    pub(super) fn relaunches_refused(&self) -> usize {
        self.relaunches_refused
    }
}

impl Host {
    /// The checks of RQD after the one for a frame that runs already, in its order. GPUs are
    /// taken, where RQD for Linux fails: a scheduler's handling of them can be tested.
    fn check(&self, frame: &RunFrame) -> Result<(), Refusal<'static>> {
        if let Some(uid) = frame.uid_optional.map(uid_of).filter(|uid| *uid <= 0) {
            return Err(Refusal::User(uid));
        }
        if frame.num_cores <= 0 {
            return Err(Refusal::NoCores);
        }
        if self.program == Program::Rust && frame.num_cores % 100 != 0 {
            return Err(Refusal::Fraction);
        }
        let needed = self.cores_in_use + i64::from(frame.num_cores);
        match self.has {
            Some(has) if needed > has.cores.0 => Err(Refusal::Room),
            _ => Ok(()),
        }
    }
}

fn uid_of(uid: cue_proto::rqd::run_frame::UidOptional) -> i32 {
    let cue_proto::rqd::run_frame::UidOptional::Uid(uid) = uid;
    uid
}
