//! Locking layers and their next frames: the start of a booking transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use cue_domain::{Layer, LayerId, Limit, LimitId, WaitingFrame};
use sqlx::postgres::PgRow;

use crate::booking::OpenBooking;
use crate::error::StoreError;
use crate::limits::Count;
use crate::moment::Moment;
use crate::pool::Store;
use crate::rows::{get, id, layer};
use crate::statements::{LOCK_FRAMES, LOCK_LAYERS};
use crate::tx::Tx;

/// A layer to be locked, and how many of its frames.
#[derive(Clone, Debug)]
pub struct WantedLayer {
    /// The layer.
    pub layer: LayerId,
    /// Frames at most.
    pub frames: u32,
}

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

/// What came of locking layers.
#[derive(Debug, Default)]
pub struct Locked {
    /// The transaction and what it holds; `None` when nothing could be locked, and it is over.
    pub batch: Option<(OpenBooking, Vec<LockedRow>)>,
    /// How many layers were left out because a limit of theirs is full.
    pub at_limit: usize,
}

impl Store {
    /// Opens a booking transaction that holds those of the wanted layers that nobody else holds,
    /// and their next waiting frames. In the order of `wanted`; layers without a frame to be had
    /// are not in it, nor those whose limits have no room: their frames would only keep hosts from
    /// others.
    ///
    /// # Errors
    /// A statement failed; nothing is held.
    pub async fn lock_layers(&self, wanted: &[WantedLayer]) -> Result<Locked, StoreError> {
        let began = Moment::now();
        let mut tx = self.begin().await?;
        let ids: Vec<String> = wanted
            .iter()
            .map(|want| want.layer.as_str().to_owned())
            .collect();
        let rows = self
            .meters
            .rows(
                &LOCK_LAYERS,
                sqlx::query(LOCK_LAYERS.sql).bind(ids),
                &mut tx,
            )
            .await?;
        let (mut layers, limits) = read(&rows)?;
        let counted = self.gating_limits(&mut tx, &limits).await?;
        let of_layer = |layer: &LayerId| {
            let limits = limits.get(layer).into_iter().flatten();
            limits.filter_map(|id| Some((id.clone(), Arc::clone(counted.get(id)?))))
        };
        let mut held: Vec<WantedLayer> = wanted
            .iter()
            .filter(|want| layers.contains_key(&want.layer))
            .cloned()
            .collect();
        let there = held.len();
        held.retain_mut(|want| {
            let most = of_layer(&want.layer).filter_map(|(_, limit)| limit.most_frames());
            want.frames = most.fold(want.frames, u32::min);
            want.frames > 0
        });
        let at_limit = there - held.len();
        let mut locked = if held.is_empty() {
            Vec::new()
        } else {
            self.lock_frames(&mut tx, &held, &mut layers).await?
        };
        if locked.is_empty() {
            self.give_up(tx).await?;
            let batch = None;
            return Ok(Locked { batch, at_limit });
        }
        for row in &mut locked {
            row.limits = of_layer(&row.layer.id).collect();
        }
        let batch = Some((OpenBooking::new(tx, self, limits, began), locked));
        Ok(Locked { batch, at_limit })
    }

    async fn give_up(&self, tx: Tx) -> Result<(), StoreError> {
        let asked = Instant::now();
        let answer = tx.rollback().await;
        self.meters.note("rollback", asked, answer.is_ok());
        answer.map_err(|source| StoreError::Failed {
            statement: "rollback",
            source,
        })
    }

    /// Those limits of the layers that can hold frames back, counted without a lock on them.
    async fn gating_limits(
        &self,
        tx: &mut Tx,
        of_layers: &HashMap<LayerId, Vec<LimitId>>,
    ) -> Result<HashMap<LimitId, Arc<Limit>>, StoreError> {
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
        held: &[WantedLayer],
        layers: &mut HashMap<LayerId, Layer>,
    ) -> Result<Vec<LockedRow>, StoreError> {
        let name = LOCK_FRAMES.name;
        let query = sqlx::query(LOCK_FRAMES.sql)
            .bind(
                held.iter()
                    .map(|want| want.layer.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
            .bind(
                held.iter()
                    .map(|want| i64::from(want.frames))
                    .collect::<Vec<_>>(),
            );
        let rows = self.meters.rows(&LOCK_FRAMES, query, tx).await?;
        let mut locked: Vec<LockedRow> = Vec::new();
        for row in &rows {
            let layer_id: LayerId = id(row, name, "pk_layer")?;
            let frame = WaitingFrame {
                id: id(row, name, "pk_frame")?,
                name: get::<String>(row, name, "str_name")?.into(),
                version: get::<Option<i32>>(row, name, "int_version")?.unwrap_or_default(),
                waiting_since_ms: get(row, name, "waiting_since_ms")?,
            };
            match locked.last_mut() {
                Some(last) if last.layer.id == layer_id => last.frames.push(frame),
                _ => {
                    if let Some(layer) = layers.remove(&layer_id) {
                        locked.push(LockedRow {
                            layer,
                            frames: vec![frame],
                            limits: Vec::new(),
                        });
                    }
                }
            }
        }
        Ok(locked)
    }
}

/// Locked layers, and the limits of those that carry any.
type Read = (HashMap<LayerId, Layer>, HashMap<LayerId, Vec<LimitId>>);

fn read(rows: &[PgRow]) -> Result<Read, StoreError> {
    let mut layers = HashMap::with_capacity(rows.len());
    let mut limits = HashMap::new();
    for row in rows {
        let layer = layer(row, LOCK_LAYERS.name)?;
        let of_layer: Vec<String> = get(row, LOCK_LAYERS.name, "limits")?;
        if !of_layer.is_empty() {
            let of_layer: Vec<LimitId> = of_layer.into_iter().map(LimitId::from).collect();
            limits.insert(layer.id.clone(), of_layer);
        }
        layers.insert(layer.id.clone(), layer);
    }
    Ok((layers, limits))
}
