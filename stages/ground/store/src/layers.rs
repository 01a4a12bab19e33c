//! Locking layers and their next frames: the start of a booking transaction.

use std::collections::HashMap;
use std::time::Instant;

use cue_domain::{Layer, LayerId, LimitId, WaitingFrame};

use crate::booking::OpenBooking;
use crate::error::StoreError;
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
}

impl Store {
    /// Opens a booking transaction that holds those of the wanted layers that nobody else holds,
    /// and their next waiting frames. In the order of `wanted`; layers without a frame to be had
    /// are not in it. `None` when nothing could be locked: the transaction is over then.
    ///
    /// # Errors
    /// A statement failed; nothing is held.
    pub async fn lock_layers(
        &self,
        wanted: &[WantedLayer],
    ) -> Result<Option<(OpenBooking, Vec<LockedRow>)>, StoreError> {
        let began = Instant::now();
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
        let mut layers: HashMap<LayerId, Layer> = HashMap::with_capacity(rows.len());
        let mut limits: HashMap<LayerId, Vec<LimitId>> = HashMap::new();
        for row in &rows {
            let layer = layer(row, LOCK_LAYERS.name)?;
            let of_layer: Vec<String> = get(row, LOCK_LAYERS.name, "limits")?;
            if !of_layer.is_empty() {
                limits.insert(
                    layer.id.clone(),
                    of_layer.into_iter().map(LimitId::from).collect(),
                );
            }
            layers.insert(layer.id.clone(), layer);
        }
        let held: Vec<&WantedLayer> = wanted
            .iter()
            .filter(|want| layers.contains_key(&want.layer))
            .collect();
        let locked = if held.is_empty() {
            Vec::new()
        } else {
            self.lock_frames(&mut tx, &held, &mut layers).await?
        };
        if locked.is_empty() {
            let asked = Instant::now();
            let answer = tx.rollback().await;
            self.meters.note("rollback", asked, answer.is_ok());
            return answer.map(|()| None).map_err(|source| StoreError::Failed {
                statement: "rollback",
                source,
            });
        }
        Ok(Some((OpenBooking::new(tx, self, limits, began), locked)))
    }

    async fn lock_frames(
        &self,
        tx: &mut Tx,
        held: &[&WantedLayer],
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
                        });
                    }
                }
            }
        }
        Ok(locked)
    }
}
