//! Frames that a complete reading counts by show and reason, and whose layers it leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;

use cue_domain::demand::{KeptFrames, WaitingJob};
use cue_domain::{JobId, WaitReason};

use crate::error::StoreError;
use crate::rows::Row;

/// Frames of a show by one reason, as the statement of the jobs counts them.
pub(super) fn of_row(row: &Row) -> Result<Option<KeptFrames>, StoreError> {
    let code: Option<String> = row.get("kept_by")?;
    let mut known = WaitReason::ALL.iter();
    let reason = code.and_then(|code| known.find(|reason| reason.code() == code));
    let Some(reason) = reason else {
        return Ok(None);
    };
    Ok(Some(KeptFrames {
        show: row.id("pk_show")?,
        show_name: row.shown("show_name")?.into(),
        facility: row.id("pk_facility")?,
        facility_name: row.shown("facility_name")?.into(),
        reason: *reason,
        frames: row.get("int_priority")?,
    }))
}

/// Frames of layers that may not start yet, by show.
pub(super) fn gated(
    jobs: &[WaitingJob],
    layers: impl Iterator<Item = (JobId, i64)>,
) -> Vec<KeptFrames> {
    let mut of_job: BTreeMap<JobId, i64> = BTreeMap::new();
    for (job, frames) in layers.filter(|(_, frames)| *frames > 0) {
        let sum = of_job.entry(job).or_default();
        *sum = sum.saturating_add(frames);
    }
    let mut of_site: BTreeMap<_, KeptFrames> = BTreeMap::new();
    for job in jobs {
        let Some(frames) = of_job.get(&job.id) else {
            continue;
        };
        let site = (job.facility.clone(), job.show.clone());
        let kept = of_site.entry(site).or_insert_with(|| KeptFrames {
            show: job.show.clone(),
            show_name: Arc::clone(&job.show_name),
            facility: job.facility.clone(),
            facility_name: Arc::clone(&job.facility_name),
            reason: WaitReason::StartAfter,
            frames: 0,
        });
        kept.frames = kept.frames.saturating_add(*frames);
    }
    of_site.into_values().collect()
}
