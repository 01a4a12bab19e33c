//! The host index and the host match, which know neither database nor network.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use cue_domain::fit::FitRules;
use cue_domain::messages::BookingPlan;
use cue_flow::{CpuStage, Flow};
use cue_host_match::{HostMatch, MatchMetrics};
use cue_hosts::Want;
use prometheus::Registry;

use super::farm::{BATCH, Farm};
use super::parts::{Feed, Sink, rate};
use super::{Alone, StagesOptions, each};
use crate::stats::{Spread, count};

/// Batches through the host match in a round, for each thousand items of the runtime's round.
const BATCHES_A_THOUSAND: u64 = 5;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

pub(super) async fn measure(options: &StagesOptions) -> anyhow::Result<Vec<Alone>> {
    let mut rows = vec![index(options)?];
    let batches = (options.items * BATCHES_A_THOUSAND / 1_000).max(1);
    let what = ("host match, batches of 400 frames", "frames");
    rows.extend(
        each(options, what, |workers| {
            matching(options.hosts, batches, workers)
        })
        .await?,
    );
    Ok(rows)
}

/// A host lent and taken back, one thread.
fn index(options: &StagesOptions) -> anyhow::Result<Alone> {
    let farm = Farm::new();
    let index = farm.index(options.hosts);
    let (layer, rules) = (farm.layer(0), FitRules::default());
    let want = Want {
        facility: &farm.cluster.key.facility,
        tags: &farm.cluster.key.tags,
        subscriptions: &farm.job.headroom.subscriptions,
        os: None,
        layer: &layer,
    };
    let mut rates = Vec::new();
    for _ in 0..options.rounds {
        let began = Instant::now();
        for _ in 0..options.items {
            let lease = index.take(&want, &rules, None).context("no host to lend")?;
            index.check_in(lease, None);
        }
        rates.push(count(options.items) / began.elapsed().as_secs_f64().max(1e-9));
    }
    ensure!(index.len() == options.hosts, "hosts got lost");
    Ok(Alone {
        what: "host index, a host lent and taken back",
        unit: "hosts",
        workers: 1,
        per_second: Spread::of(&rates),
    })
}

/// Frames matched a second by the stage with so many threads. The plans are dropped, which takes the
/// hosts back; batches are made by the source, on another thread.
async fn matching(hosts: usize, batches: u64, workers: NonZeroUsize) -> anyhow::Result<f64> {
    let farm = Farm::new();
    let metrics = MatchMetrics::new(&Registry::new())?;
    let stage: HostMatch<()> = HostMatch::new(farm.index(hosts), Arc::default(), metrics);
    let all = batches * (BATCH.0 * BATCH.1) as u64;
    let took = rate(|flow| {
        let mut left = batches;
        let feed = Feed::new(move || {
            left = left.checked_sub(1)?;
            Some(farm.batch())
        });
        let (sink, taken) = Sink::new(|plan: &BookingPlan<()>| plan.placements.len() as u64);
        let queue = workers.saturating_add(1);
        let (to_match, inlet) = flow.edge(HostMatch::<()>::NAME, queue);
        let (to_sink, arrivals) = flow.edge("sink", queue);
        flow.stage(sink, ONE, arrivals, Flow::last_outlet());
        flow.cpu_stage(stage, workers, inlet, to_sink);
        flow.source(feed, to_match);
        taken
    })
    .await?;
    ensure!(took.is_finite() && all > 0, "nothing was matched");
    Ok(took)
}
