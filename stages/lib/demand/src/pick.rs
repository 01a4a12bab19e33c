//! The pick: the layers of a cluster that idle hosts could run, in the order of the policy.
//!
//! Frames are given out one at a time to the job that is next, so that one turn serves every job that is
//! owed cores. A layer is picked only if some idle host can run it and all known caps admit it.
//!
//! A short pick has a few [*spare* layers](spares) after those that the idle cores pay for. They are tried if hosts
//! refuse the layers before them, and cost a lock each.

mod spares;
mod turn;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use cue_domain::order::{Rank, Standing};
use cue_domain::{AllocId, ClusterKey, JobId, LayerId};

use crate::asked::Amounts;
use crate::budget::Budget;
use crate::cluster_rows::{ClusterRows, JobRows, LayerRows, ShapeId};
use crate::deal::deal;
use crate::picked::{Pick, PickInput, Picked};
use crate::rows::Rows;
use crate::warm::WarmLayers;

use self::turn::Turn;

/// Picks for the turn of a cluster by one of the replicas, and records the amounts that all of them ask for.
pub(crate) fn pick(
    rows: &mut Rows,
    warm: &WarmLayers,
    key: &ClusterKey,
    input: &PickInput<'_>,
) -> Pick {
    if rows
        .clusters
        .get(key)
        .is_some_and(|cluster| cluster.is_paused)
    {
        return Pick {
            has_work: true,
            ..Pick::default()
        };
    }
    let Some((mut pick, amounts)) = preview(rows, warm, key, input) else {
        return Pick::default();
    };
    let is_entitled = pick.entitled.iter().any(|(_, cores)| cores.0 > 0);
    if let Some(cluster) = rows.clusters.get_mut(key) {
        cluster.is_blocked = pick.layers.is_empty() && is_entitled;
        // The other replicas ask for the rest, which the rows do not show yet either.
        cluster.asked.begin(amounts);
    }
    deal(&mut pick, input.rules.replica, input.now_us);
    pick
}

/// Picks as for a turn of the cluster by all replicas, and returns the amounts that such a turn would ask for.
pub(crate) fn preview(
    rows: &Rows,
    warm: &WarmLayers,
    key: &ClusterKey,
    input: &PickInput<'_>,
) -> Option<(Pick, Amounts)> {
    let cluster = rows.clusters.get(key)?;
    let asked = cluster.asked.sum();
    let warm = warm.on(input.supply.few_hosts());
    let replicas = input.rules.replica.of.max(1);
    let mut picking = Picking {
        rows,
        input,
        asked: &asked,
        budget: Budget::new(rows, key, input.supply),
        pick: Pick::default(),
        place_of: HashMap::new(),
        left: Vec::new(),
        amounts: Amounts::default(),
        frames: 0,
        spares: SPARES,
        most_frames: input.rules.frames.saturating_mul(replicas),
        most_layers: input.rules.layers.saturating_mul(replicas as usize),
        warm: &warm,
        last: None,
        serves_first_core: false,
        is_used_up: vec![false; rows.shapes.len()],
        shapes_left: cluster.waiting_by_shape().len(),
    };
    picking.run(cluster);
    let Picking {
        mut pick,
        budget,
        amounts,
        ..
    } = picking;
    pick.entitled = budget.entitled();
    pick.is_limited = budget.is_limited();
    Some((pick, amounts))
}

/// Spare layers of a short pick that are the next in the order.
const SPARES: usize = 8;

/// A pick that is being made.
struct Picking<'a> {
    rows: &'a Rows,
    input: &'a PickInput<'a>,
    asked: &'a Amounts,
    budget: Budget,
    pick: Pick,
    place_of: HashMap<LayerId, usize>,
    /// Frames of each picked layer that could have been picked.
    left: Vec<i64>,
    amounts: Amounts,
    frames: u32,
    spares: usize,
    /// Frames and layers of one turn of each replica, at most.
    most_frames: u32,
    most_layers: usize,
    /// Layers that hosts of the supply ran lately, with their jobs.
    warm: &'a [&'a [(JobId, LayerId)]],
    /// Rank of the last job that was paid for.
    last: Option<Rank>,
    /// True if a job was paid for that has no cores.
    serves_first_core: bool,
    /// Shapes of which this pick can give no frame any more, by number.
    is_used_up: Vec<bool>,
    /// Number of shapes of the cluster of which it may give some.
    shapes_left: usize,
}

/// A picked frame.
struct Frame {
    /// Its centicores.
    cores: i64,
    is_spare: bool,
}

impl<'a> Picking<'a> {
    fn run(&mut self, cluster: &'a ClusterRows) {
        let PickInput { rules, now_us, .. } = *self.input;
        let order = rules.order;
        let rank = |turn: &Turn<'_>| -> Rank { order.rank(&turn.standing, turn.cores, now_us) };
        let mut turns: Vec<Turn<'a>> = cluster.jobs.values().map(|rows| self.turn(rows)).collect();
        let ranked = turns.iter().enumerate();
        let mut queue: BinaryHeap<_> = ranked
            .map(|(number, turn)| Reverse((rank(turn), number)))
            .collect();
        while let Some(Reverse((rank_of, number))) = queue.pop() {
            if self.shapes_left == 0
                || self.frames >= self.most_frames
                || self.pick.layers.len() >= self.most_layers
            {
                queue.push(Reverse((rank_of, number)));
                break;
            }
            let Some(turn) = turns.get_mut(number) else {
                continue;
            };
            if let Some(Frame { cores, is_spare }) = self.give(turn) {
                if !is_spare {
                    self.last = self.last.max(Some(rank_of));
                    self.serves_first_core |= turn.cores <= 0;
                }
                turn.cores = turn.cores.saturating_add(cores);
                queue.push(Reverse((rank(turn), number)));
            }
        }
        let left = queue
            .iter()
            .filter_map(|Reverse((_, number))| turns.get(*number));
        self.pick.leaves_others |= left.into_iter().any(|turn| {
            let is_left = turn.current.is_some_and(|(layer, left)| {
                left > 0 && !self.place_of.contains_key(&layer.row.layer.id)
            });
            is_left && self.is_equal(turn)
        });
        self.add_warm(&turns);
        self.let_siblings_stand_in();
    }

    fn turn(&self, rows: &'a JobRows) -> Turn<'a> {
        let job = &rows.job;
        let asked = self.asked.jobs.get(&job.id).copied().unwrap_or_default();
        let mut turn = Turn {
            standing: Standing {
                priority: job.priority,
                started_us: job.started_us,
                idle_since_us: job.idle_since_us.filter(|_| asked == 0),
            },
            cores: job.cores.0.saturating_add(asked),
            layers: rows.layers.iter(),
            rows,
            current: None,
            taken: 0,
        };
        turn.next_layer(self.asked, self.input.rules);
        turn
    }

    /// Gives the job a frame of its first layer that can have one.
    fn give(&mut self, turn: &mut Turn<'a>) -> Option<Frame> {
        while let Some((layer, left)) = turn.current {
            if turn.taken >= self.input.rules.layer_frames {
                return None;
            }
            if !self.is_used_up(layer.shape)
                && let Some(frame) = self.try_layer(turn, layer, left)
            {
                turn.current = Some((layer, left - 1));
                turn.taken += 1;
                return Some(frame);
            }
            turn.next_layer(self.asked, self.input.rules);
        }
        None
    }

    /// Picks a frame of the layer if hosts and caps admit it.
    ///
    /// A layer that backs off, or whose frames were all asked for (`left` is 0), is work too: the turn ends as one
    /// that found no host, not as one without jobs.
    fn try_layer(&mut self, turn: &Turn<'a>, layer: &'a LayerRows, left: i64) -> Option<Frame> {
        let job = &turn.rows.job;
        if layer.row.layer.waiting <= 0 || !self.budget.admits_job(job, self.asked, layer) {
            return None;
        }
        self.pick.has_work = true;
        if left <= 0 || (self.input.is_set_aside)(&layer.row.layer.id) {
            return None;
        }
        let (rows, PickInput { supply, now, .. }) = (self.rows, *self.input);
        let paid = self.budget.pay(rows, supply, layer.shape);
        let paid = paid.or_else(|| self.budget.pay_reserved(rows, supply, layer, now));
        let is_spare = paid.is_none();
        let cores = match paid {
            Some((alloc, takes)) => {
                self.budget.take_of_job(job, &takes);
                self.ask(job.id.clone(), alloc, takes.cores.0);
                takes.cores.0
            }
            None => {
                let spare = self.spare(turn, layer)?;
                self.budget.take_of_job(job, &spare);
                spare.cores.0
            }
        };
        self.add(turn, (layer, left), is_spare);
        Some(Frame { cores, is_spare })
    }

    fn is_used_up(&self, shape: ShapeId) -> bool {
        self.is_used_up
            .get(shape as usize)
            .is_some_and(|used_up| *used_up)
    }

    /// Records cores that the turn asks for. Those of spares are not: if they are booked, others are not.
    fn ask(&mut self, job: JobId, alloc: AllocId, cores: i64) {
        let of_job = self.amounts.jobs.entry(job).or_default();
        *of_job = of_job.saturating_add(cores);
        let of_alloc = self.amounts.allocs.entry(alloc).or_default();
        *of_alloc = of_alloc.saturating_add(cores);
    }

    /// Adds a frame of the layer, of which `left` are left with this one.
    fn add(&mut self, turn: &Turn<'_>, (layer, left): (&LayerRows, i64), is_spare: bool) {
        let id = &layer.row.layer.id;
        self.frames += 1;
        let is_equal = is_spare && self.is_equal(turn);
        let pick = &mut self.pick;
        let lefts = &mut self.left;
        let place = *self.place_of.entry(id.clone()).or_insert_with(|| {
            lefts.push(left);
            pick.layers.push(Picked {
                layer: id.clone(),
                job: turn.rows.job.id.clone(),
                frames: 0,
                has_more: false,
                // Frames that were booked since the last reading run too.
                is_running: layer.row.running > 0 || self.asked.frames.contains_key(id),
                is_measured: layer.row.is_measured,
                longest_run: layer.longest_run(),
                is_spare,
                is_equal,
            });
            pick.layers.len() - 1
        });
        if let Some(picked) = pick.layers.get_mut(place) {
            picked.frames += 1;
            picked.has_more = left > 1;
        }
        *self.amounts.frames.entry(id.clone()).or_default() += 1;
    }
}
