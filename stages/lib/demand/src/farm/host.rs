//! Waiting work that one host could run.

use cue_domain::{Host, Resources};

use crate::rows::Rows;
use crate::supply::{admits, takes_of};

/// Waiting layers and their frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SomeWork {
    /// Layers.
    pub layers: usize,
    /// Waiting frames in them.
    pub frames: i64,
    /// One of them, as `JOB/LAYER`: of those with the most waiting frames the first by name.
    pub example: Option<String>,
}

impl SomeWork {
    fn add(&mut self, frames: i64, name: impl FnOnce() -> String, most: &mut i64) {
        self.layers += 1;
        self.frames = self.frames.saturating_add(frames);
        if frames > *most {
            *most = frames;
            self.example = Some(name());
        }
    }
}

/// Waiting work for a host, of shows that have a subscription to its allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostWork {
    /// Work for its tags, systems and thread mode, large or small.
    pub admitted: SomeWork,
    /// The part of it that would fit if nothing ran on the host.
    pub when_empty: SomeWork,
    /// The part that fits what is idle now.
    pub now: SomeWork,
}

/// Finds the work. Visits every layer, so it is for questions of people only.
pub(crate) fn work_for(rows: &Rows, host: &Host) -> HostWork {
    let mut work = HostWork::default();
    let mut most = [0; 3];
    let empty = Host {
        idle: host.total,
        ..host.clone()
    };
    for (key, job, layer) in rows.layers() {
        let subscriptions = rows.subscriptions.get(key);
        let mut subscriptions = subscriptions.into_iter().flatten();
        let is_ours = subscriptions.any(|of| of.alloc == host.alloc && of.burst.0 > 0);
        let Some(shape) = rows.shapes.get(layer.shape as usize).filter(|_| is_ours) else {
            continue;
        };
        let (row, os) = (&shape.layer, shape.os.as_deref());
        let frames = layer.row.layer.waiting;
        if frames <= 0 || !admits(host, row, os) {
            continue;
        }
        let name = || format!("{}/{}", job.job.name, layer.row.layer.name);
        let [admitted, when_empty, now] = &mut most;
        work.admitted.add(frames, name, admitted);
        if takes_of(row, os, &empty).is_some() {
            work.when_empty.add(frames, name, when_empty);
        }
        if host.idle != Resources::NONE && takes_of(row, os, host).is_some() {
            work.now.add(frames, name, now);
        }
    }
    work
}
