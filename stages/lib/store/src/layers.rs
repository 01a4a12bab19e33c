//! Locking layers and their next frames: the start of a booking transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cue_domain::{Layer, LayerId, Limit, LimitId, WaitingFrame};

use crate::booking::OpenBooking;
use crate::error::StoreError;
use crate::keys::column;
use crate::limits::Count;
use crate::moment::Moment;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{HELD_LAYERS, LOCK_FRAMES, LOCK_FRAMES_INDEXED, LOCK_LAYERS, query};
use crate::tx::Tx;

/// A layer that is now locked.
#[derive(Debug)]
pub struct LockedRow {
    /// The layer as it is under the lock.
    pub layer: Layer,
    /// Its next waiting frames, locked, in dispatch order. Never empty.
    pub frames: Vec<WaitingFrame>,
    /// The limits that can hold its frames back, counted without a lock on them.
    pub limits: Vec<(LimitId, Arc<Limit>)>,
}

/// Outcome of locking layers.
#[derive(Debug, Default)]
pub struct Locked {
    /// The transaction and what it holds; `None` when nothing could be locked, and it is over.
    pub batch: Option<(OpenBooking, Vec<LockedRow>)>,
    /// Layers that were left out because a limit of theirs is full.
    pub at_limit: Vec<LayerId>,
    /// Layers that were left out because a row of theirs holds what cannot be read.
    pub unreadable: Vec<(LayerId, StoreError)>,
    /// Layers that were left out because another transaction holds them. Those that may not run any
    /// more are not counted.
    pub held: u64,
}

impl Store {
    /// Opens a booking transaction that holds those of the wanted layers that nobody else holds,
    /// and their next waiting frames, at most as many as are given. In the order of `wanted`; layers without a free waiting frame
    /// are not in it, nor those whose limits have no room: their frames would only keep hosts from
    /// others.
    ///
    /// # Errors
    /// A statement failed; nothing is held.
    pub async fn lock_layers(&self, wanted: &[(LayerId, u32)]) -> Result<Locked, StoreError> {
        let began = Moment::now();
        let mut tx = self.begin().await?;
        let query = query(&LOCK_LAYERS).bind(column(wanted, |(layer, _)| layer.as_str()));
        let mut read = Read::of(&self.meters.rows(&LOCK_LAYERS, query, &mut tx).await?)?;
        let missing = read.missing(wanted);
        let mut locked = Locked {
            held: self.held_layers(&mut tx, missing).await?,
            ..Locked::default()
        };
        let counted = self.gating_limits(&mut tx, &read.limits).await?;
        let admitted = read.admitted(wanted, &counted, &mut locked.at_limit);
        let mut rows = self.lock_frames(&mut tx, &admitted, &mut read).await?;
        if rows.is_empty() {
            tx.rollback().await?;
        } else {
            for row in &mut rows {
                row.limits = read.gates(&row.layer.id, &counted).collect();
            }
            let limits = Arc::new(read.limits);
            locked.batch = Some((OpenBooking::new(tx, self, limits, began), rows));
        }
        locked.unreadable = read.unreadable;
        Ok(locked)
    }

    /// Counts those of the layers that another transaction holds; they could not be locked. Asks nothing
    /// if there are none.
    async fn held_layers(&self, tx: &mut Tx, missing: Vec<String>) -> Result<u64, StoreError> {
        if missing.is_empty() {
            return Ok(0);
        }
        let query = query(&HELD_LAYERS).bind(missing);
        let rows = self.meters.rows(&HELD_LAYERS, query, tx).await?;
        let Some(row) = rows.first() else {
            return Ok(0);
        };
        let held: i64 = row.get("held")?;
        Ok(u64::try_from(held).unwrap_or_default())
    }

    /// Those limits of the layers that can hold frames back, counted without a lock on them.
    async fn gating_limits(
        &self,
        tx: &mut Tx,
        of_layers: &HashMap<LayerId, Vec<LimitId>>,
    ) -> Result<Counted, StoreError> {
        let asked: BTreeSet<&str> = of_layers.values().flatten().map(LimitId::as_str).collect();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let asked = asked.into_iter().map(str::to_owned).collect();
        let found = self
            .read_limits(tx, asked, Vec::new(), Count::Gating)
            .await?;
        let gating = found.into_iter().filter(|(_, found)| found.rows.gates);
        let limits = gating.map(|(id, found)| (id, Arc::new(Limit::new(found.rows))));
        Ok(limits.collect())
    }

    async fn lock_frames(
        &self,
        tx: &mut Tx,
        wanted: &[(LayerId, u32)],
        read: &mut Read,
    ) -> Result<Vec<LockedRow>, StoreError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let statement = if self.meters.has_waiting_index() {
            &LOCK_FRAMES_INDEXED
        } else {
            &LOCK_FRAMES
        };
        let query = query(statement)
            .bind(column(wanted, |(layer, _)| layer.as_str()))
            .bind(column(wanted, |(_, frames)| i64::from(*frames)));
        let mut locked: Vec<LockedRow> = Vec::new();
        for row in &self.meters.rows(statement, query, tx).await? {
            let layer_id: LayerId = row.id("pk_layer")?;
            let frame = match waiting_frame(row) {
                Ok(frame) => frame,
                Err(error) => {
                    let before = locked.len();
                    locked.retain(|locked| locked.layer.id != layer_id);
                    if read.layers.remove(&layer_id).is_some() || locked.len() < before {
                        read.unreadable.push((layer_id, error));
                    }
                    continue;
                }
            };
            match locked.last_mut() {
                Some(last) if last.layer.id == layer_id => last.frames.push(frame),
                _ => {
                    let layer = read.layers.remove(&layer_id);
                    locked.extend(layer.map(|layer| LockedRow {
                        layer,
                        frames: vec![frame],
                        limits: Vec::new(),
                    }));
                }
            }
        }
        Ok(locked)
    }
}

fn waiting_frame(row: &Row) -> Result<WaitingFrame, StoreError> {
    Ok(WaitingFrame {
        id: row.id("pk_frame")?,
        name: row.get::<String>("str_name")?.into(),
        version: row.get::<Option<i32>>("int_version")?.unwrap_or_default(),
        waiting_since_ms: row.get("waiting_since_ms")?,
    })
}

/// Locked layers, the limits of those that carry any, and the layers that cannot be read.
#[derive(Default)]
struct Read {
    layers: HashMap<LayerId, Layer>,
    limits: HashMap<LayerId, Vec<LimitId>>,
    unreadable: Vec<(LayerId, StoreError)>,
}

/// Limits that can hold frames back, counted without a lock on them.
type Counted = HashMap<LimitId, Arc<Limit>>;

impl Read {
    fn of(rows: &[Row]) -> Result<Self, StoreError> {
        let mut read = Self::default();
        for row in rows {
            let layer_id: LayerId = row.id("pk_layer")?;
            let of_layer = || row.get::<Vec<String>>("limits");
            match row.layer().and_then(|layer| Ok((layer, of_layer()?))) {
                Ok((layer, of_layer)) => {
                    if !of_layer.is_empty() {
                        let of_layer = of_layer.into_iter().map(LimitId::from).collect();
                        read.limits.insert(layer_id.clone(), of_layer);
                    }
                    read.layers.insert(layer_id, layer);
                }
                Err(error) => read.unreadable.push((layer_id, error)),
            }
        }
        Ok(read)
    }

    /// Wanted layers that are neither locked nor unreadable.
    fn missing(&self, wanted: &[(LayerId, u32)]) -> Vec<String> {
        let unreadable = |layer: &LayerId| self.unreadable.iter().any(|(id, _)| id == layer);
        let layers = wanted.iter().map(|(layer, _)| layer);
        layers
            .filter(|layer| !self.layers.contains_key(layer) && !unreadable(layer))
            .map(|layer| layer.as_str().to_owned())
            .collect()
    }

    /// The limits that can hold frames of a layer back.
    fn gates(
        &self,
        layer: &LayerId,
        counted: &Counted,
    ) -> impl Iterator<Item = (LimitId, Arc<Limit>)> {
        let limits = self.limits.get(layer).into_iter().flatten();
        limits.filter_map(|id| Some((id.clone(), Arc::clone(counted.get(id)?))))
    }

    /// The locked layers whose limits have room, with the frames that fit into it. The others are added to
    /// `at_limit`.
    fn admitted(
        &self,
        wanted: &[(LayerId, u32)],
        counted: &Counted,
        at_limit: &mut Vec<LayerId>,
    ) -> Vec<(LayerId, u32)> {
        let mut admitted = wanted.to_vec();
        admitted.retain_mut(|(layer, frames)| {
            if !self.layers.contains_key(layer) {
                return false;
            }
            let gates = self.gates(layer, counted);
            let most = gates.filter_map(|(_, limit)| limit.most_frames());
            *frames = most.fold(*frames, u32::min);
            if *frames == 0 {
                at_limit.push(layer.clone());
            }
            *frames > 0
        });
        admitted
    }
}
