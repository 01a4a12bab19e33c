//! Rows that keep layers from being booked because another session holds them.

use std::collections::HashMap;

use cue_domain::LayerId;
use cue_domain::why::HeldRow;

use super::{HeldRows, Keys};
use crate::error::StoreError;
use crate::keys::column;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{BOOKING_KEYS, query};

/// Keys of the rows that a booking of a layer needs.
struct BookingKeys {
    layer: String,
    job: String,
    folder: String,
    dept: String,
    show: String,
    limits: Vec<String>,
    allocs: Vec<String>,
}

impl BookingKeys {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let text = |column| row.get::<String>(column);
        let texts = |column| row.get::<Vec<String>>(column);
        Ok(Self {
            layer: text("pk_layer")?,
            job: text("pk_job")?,
            folder: text("pk_folder")?,
            dept: text("pk_dept")?,
            show: text("pk_show")?,
            limits: texts("limits")?,
            allocs: texts("allocs")?,
        })
    }

    /// The first of the rows that is held. A subscription counts only if all of them are held.
    fn first_held<'a>(&self, held: &'a HeldRows, frame: Option<&str>) -> Option<&'a HeldRow> {
        let subscription = |alloc: &String| held.get("subscription", &self.show, Some(alloc));
        let subscriptions: Option<Vec<_>> = self.allocs.iter().map(subscription).collect();
        frame
            .and_then(|frame| held.get("frame", frame, None))
            .or_else(|| held.get("layer", &self.layer, None))
            .or_else(|| held.get("layer_stat", &self.layer, None))
            .or_else(|| held.get("job_stat", &self.job, None))
            .or_else(|| held.get("job", &self.job, None))
            .or_else(|| {
                self.limits
                    .iter()
                    .find_map(|limit| held.get("limit_record", limit, None))
            })
            .or_else(|| subscriptions?.first().copied())
            .or_else(|| held.get("layer_resource", &self.layer, None))
            .or_else(|| held.get("job_resource", &self.job, None))
            .or_else(|| held.get("folder_resource", &self.folder, None))
            .or_else(|| held.get("point", &self.dept, Some(&self.show)))
    }
}

impl Store {
    /// For each of these layers, a row that its booking needs and another session holds for longer than a moment;
    /// of one frame alone, if it is named. Nothing is waited for, and nothing stays locked.
    pub async fn held_up_layers(
        &self,
        layers: &[LayerId],
        frame: Option<&str>,
    ) -> Result<HashMap<LayerId, HeldRow>, StoreError> {
        let ids = column(layers, LayerId::as_str);
        let query = query(&BOOKING_KEYS).bind(ids.clone());
        let rows = self.fetch(&BOOKING_KEYS, query).await?;
        let needed = rows.iter().map(BookingKeys::read);
        let needed = needed.collect::<Result<Vec<_>, StoreError>>()?;
        let mut keys = Keys {
            layers: ids.clone(),
            own_layers: ids,
            frames: frame.into_iter().collect(),
            ..Keys::default()
        };
        for needs in &needed {
            keys.jobs.push(&needs.job);
            keys.folders.push(&needs.folder);
            keys.points.0.push(&needs.dept);
            keys.points.1.push(&needs.show);
            keys.limits.extend(needs.limits.iter().map(String::as_str));
            for alloc in &needs.allocs {
                keys.subscriptions.0.push(&needs.show);
                keys.subscriptions.1.push(alloc);
            }
        }
        let held = self.held_rows(keys).await?;
        let of_layer = |needs: &BookingKeys| {
            let row = needs.first_held(&held, frame)?.clone();
            Some((LayerId::from(needs.layer.as_str()), row))
        };
        Ok(needed.iter().filter_map(of_layer).collect())
    }
}
