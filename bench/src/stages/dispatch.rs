//! Dispatch alone, dry: plans are made beforehand, each with its open transaction, and then booked
//! and committed as fast as dispatch goes.
//!
//! Every round has a fresh farm: on the old one later rounds would find longer chains of row versions
//! and look slower than they are.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::ensure;
use cue_dispatch::{Dispatch, DispatchMetrics};
use cue_domain::fit::FitRules;
use cue_domain::messages::{BookingPlan, LockedLayer, Outcome};
use cue_domain::resting::Resting;
use cue_domain::{LayerId, Ticket};
use cue_flow::{Flow, Never, Outlet, Reserved, Stage, Verdict};
use cue_host_match::{MatchMetrics, plan};
use cue_hosts::HostIndex;
use cue_rqd::{RqdClient, RqdSettings};
use cue_scheduler::wiring;
use cue_store::{OpenBooking, PendingJob, WantedLayer};
use prometheus::Registry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::database::Field;
use super::parts::{Feed, rate};
use super::{Alone, StagesOptions, each};

/// Layers of a plan, and frames of each at most.
const LAYERS: usize = 8;
const FRAMES_A_LAYER: u32 = 50;

/// Plans of a round at most: each keeps a connection until it is booked.
const PLANS: usize = 24;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

pub(super) async fn measure(options: &StagesOptions) -> anyhow::Result<Vec<Alone>> {
    let what = ("dispatch, dry, plans of up to 400 frames", "frames");
    each(options, what, |workers| {
        on_fresh_farm(options.hosts, workers)
    })
    .await
}

async fn on_fresh_farm(hosts: usize, workers: NonZeroUsize) -> anyhow::Result<f64> {
    // Three quarters of the farm at most are booked, so that nobody looks for the last hosts.
    let all = (LAYERS * PLANS) as u64 * u64::from(FRAMES_A_LAYER);
    let frames = all.min(hosts as u64 * 64 * 3 / 4);
    let field = Field::new(hosts, frames, u32::try_from(PLANS + 8)?).await?;
    let rate = one(&field, PLANS, workers).await?;
    field.close().await?;
    Ok(rate)
}

/// Frames booked and committed a second by so many workers.
async fn one(field: &Field, plans: usize, workers: NonZeroUsize) -> anyhow::Result<f64> {
    let plans = prepare(field, plans).await?;
    let placed: usize = plans.iter().map(|plan| plan.placements.len()).sum();
    ensure!(placed > 0, "there was nothing to place");
    let stage = Dispatch::new(
        field.store.clone(),
        RqdClient::new(RqdSettings::default()),
        wiring::dispatch(&field.settings),
        DispatchMetrics::new(&Registry::new())?,
        Arc::new(Resting::<LayerId>::new(
            Duration::from_secs(1),
            Duration::from_secs(1),
        )),
    );
    let booked = Arc::<AtomicU64>::default();
    let home = Home {
        hosts: field.index.clone(),
        booked: Arc::clone(&booked),
    };
    rate(|flow| {
        let mut plans = plans.into_iter();
        let (to_dispatch, inlet) = flow.edge(Dispatch::NAME, ONE);
        let (to_home, outcomes) = flow.edge(Home::NAME, field.settings.stages.check_in.queue);
        flow.stage(home, ONE, outcomes, Flow::last_outlet());
        flow.stage(stage, workers, inlet, to_home);
        flow.source(Feed::new(move || plans.next()), to_dispatch);
        booked
    })
    .await
}

/// Locks and matches so many plans.
async fn prepare(
    field: &Field,
    plans: usize,
) -> anyhow::Result<Vec<BookingPlan<(OpenBooking, Reserved)>>> {
    let jobs = field.jobs().await?;
    let layers: Vec<(&PendingJob, WantedLayer)> = jobs
        .iter()
        .flat_map(|job| job.layers.iter().map(move |layer| (job, layer)))
        .map(|(job, layer)| {
            let wanted = WantedLayer {
                layer: layer.id.clone(),
                frames: FRAMES_A_LAYER,
            };
            (job, wanted)
        })
        .collect();
    let metrics = MatchMetrics::new(&Registry::new())?;
    let mut made = Vec::new();
    for part in layers.chunks(LAYERS).take(plans) {
        let wanted: Vec<WantedLayer> = part.iter().map(|(_, wanted)| wanted.clone()).collect();
        let Some((held, rows)) = field.store.lock_layers(&wanted).await?.batch else {
            continue;
        };
        let ticket = Ticket::open(|_| {});
        let mut layers: Vec<LockedLayer> = Vec::with_capacity(rows.len());
        for row in rows {
            let job = part.iter().find(|(_, wanted)| wanted.layer == row.layer.id);
            layers.extend(job.map(|(job, _)| LockedLayer {
                cluster: Arc::clone(&field.cluster),
                ticket: ticket.clone(),
                job: Arc::clone(&job.job),
                layer: row.layer,
                frames: row.frames,
                limits: row.limits,
            }));
        }
        let planned = plan(&field.index, &FitRules::default(), &mut layers, &metrics);
        made.push(BookingPlan {
            held: (held, Reserved::nothing()),
            layers,
            hosts: planned.hosts,
            placements: planned.placements,
        });
    }
    Ok(made)
}

/// Takes hosts back as the database left them, and counts what was booked on them.
struct Home {
    hosts: HostIndex,
    booked: Arc<AtomicU64>,
}

impl Stage for Home {
    const NAME: &'static str = "home";
    type In = Outcome;
    type Out = Never;

    async fn handle(&self, outcome: Outcome, _: &Outlet<Never>) -> Verdict {
        for host in outcome.hosts {
            self.booked.fetch_add(host.booked.into(), Ordering::Relaxed);
            self.hosts.check_in(host.lease, host.idle);
        }
        Verdict::Done
    }
}
