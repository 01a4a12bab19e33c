//! What must be known to say why a job, a layer or a frame waits.
//!
//! Invariant: it only reads, outside of any booking transaction, and takes no lock.

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::why::{
    CapFacts, Counts, Facts, FrameFacts, LayerFacts, SubscriptionFacts, TaggedHosts,
};
use cue_domain::{FacilityId, LayerId, LimitId, Tag};
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::limits::{Count, FoundLimit};
use crate::pool::Store;
use crate::rows::{get, id, layer};
use crate::statements::{WHY_FACTS, WHY_SUBJECT, WHY_TAGGED};

impl Store {
    /// The facts about what `text` names: an id of a job, a layer or a frame, or `JOB`, `JOB/LAYER`,
    /// `JOB/FRAME`. `None` when there is nothing of that name. Layers that `back_off` are not ahead of
    /// others.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn why(&self, text: &str, back_off: &[LayerId]) -> Result<Option<Facts>, StoreError> {
        let (job, rest) = match text.rsplit_once('/') {
            Some((job, rest)) => (Some(job.to_owned()), Some(rest.to_owned())),
            None => (None, None),
        };
        let query = sqlx::query(WHY_SUBJECT.sql)
            .bind(text.to_owned())
            .bind(job)
            .bind(rest);
        let mut conn = self.connection().await?;
        let found = self.meters.rows(&WHY_SUBJECT, query, &mut conn).await?;
        let Some(found) = found.first() else {
            return Ok(None);
        };
        let (job, layer): (String, Option<String>) = (
            get(found, WHY_SUBJECT.name, "pk_job")?,
            get(found, WHY_SUBJECT.name, "pk_layer")?,
        );
        let frame = frame(found)?;
        let of_layer = layer.is_some();
        let back_off = back_off.iter().map(|layer| layer.as_str().to_owned());
        let query = sqlx::query(WHY_FACTS.sql)
            .bind(job)
            .bind(layer)
            .bind(back_off.collect::<Vec<_>>());
        let rows = self.meters.rows(&WHY_FACTS, query, &mut conn).await?;
        let mut bound: Vec<String> = Vec::new();
        for row in &rows {
            bound.extend(get::<Vec<String>>(row, WHY_FACTS.name, "limits")?);
        }
        let limits = if bound.is_empty() {
            HashMap::new()
        } else {
            self.read_limits(&mut conn, bound, Vec::new(), Count::All)
                .await?
        };
        drop(conn);
        facts(&rows, &limits, of_layer, frame)
    }

    /// The hosts that have one of the tags, and what keeps them from frames of this facility. A host
    /// is silent when RQD has not reported on it for `stale_after`; with `None` none is.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn tagged_hosts(
        &self,
        tags: &[Tag],
        facility: &FacilityId,
        stale_after: Option<Duration>,
    ) -> Result<TaggedHosts, StoreError> {
        let tags: Vec<String> = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
        let seconds = stale_after.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let query = sqlx::query(WHY_TAGGED.sql)
            .bind(tags)
            .bind(facility.as_str().to_owned())
            .bind(seconds);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&WHY_TAGGED, query, &mut conn).await?;
        drop(conn);
        let Some(row) = rows.first() else {
            return Ok(TaggedHosts::default());
        };
        let count = |column| get::<i64>(row, WHY_TAGGED.name, column);
        Ok(TaggedHosts {
            hosts: count("hosts")?,
            elsewhere: count("elsewhere")?,
            nimby: count("nimby")?,
            locked: count("locked")?,
            lent: count("lent")?,
            down: count("down")?,
            silent: count("silent")?,
            silent_after: stale_after,
        })
    }
}

/// The frame a text names, and its name; none if it names something else.
fn frame(row: &PgRow) -> Result<Option<(String, FrameFacts)>, StoreError> {
    let name = WHY_SUBJECT.name;
    let Some(frame_name) = get::<Option<String>>(row, name, "frame_name")? else {
        return Ok(None);
    };
    let count = |column| get::<Option<i64>>(row, name, column);
    let facts = FrameFacts {
        state: get::<Option<String>>(row, name, "frame_state")?.unwrap_or_default(),
        host: get::<Option<String>>(row, name, "frame_host")?.filter(|host| !host.is_empty()),
        depends_on: count("depend_count")?.unwrap_or_default(),
        ahead_in_layer: count("ahead_in_layer")?.unwrap_or_default(),
    };
    Ok(Some((frame_name, facts)))
}

fn facts(
    rows: &[PgRow],
    limits: &HashMap<LimitId, FoundLimit>,
    of_layer: bool,
    frame: Option<(String, FrameFacts)>,
) -> Result<Option<Facts>, StoreError> {
    let name = WHY_FACTS.name;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let job_name: String = get(row, name, "job_name")?;
    let layers = rows
        .iter()
        .map(|row| of_one_layer(row, limits))
        .collect::<Result<Vec<_>, _>>()?;
    let subject = match (&frame, of_layer, layers.first()) {
        (Some((frame, _)), ..) => format!("frame {frame} of job {job_name}"),
        (None, true, Some(layer)) => format!("layer {} of job {job_name}", layer.layer.name),
        _ => format!("job {job_name}"),
    };
    let os: Option<String> = get(row, name, "str_os")?;
    Ok(Some(Facts {
        subject,
        show: get(row, name, "show_name")?,
        show_active: get(row, name, "b_active")?,
        show_managed: get(row, name, "b_scheduler_managed")?,
        show_booking: get(row, name, "b_booking_enabled")?,
        facility: id(row, name, "pk_facility")?,
        facility_name: get(row, name, "facility_name")?,
        job_state: get(row, name, "str_state")?,
        paused: get(row, name, "b_paused")?,
        os: os.filter(|os| !os.is_empty()),
        job: CapFacts {
            name: job_name,
            cores: get(row, name, "job_cores")?,
            max_cores: get(row, name, "job_max_cores")?,
            gpus: get(row, name, "job_gpus")?,
            max_gpus: get(row, name, "job_max_gpus")?,
        },
        folder: CapFacts {
            name: get(row, name, "folder_name")?,
            cores: get(row, name, "folder_cores")?,
            max_cores: get(row, name, "folder_max_cores")?,
            gpus: get(row, name, "folder_gpus")?,
            max_gpus: get(row, name, "folder_max_gpus")?,
        },
        subscriptions: subscriptions(row)?,
        layers,
        frame: frame.map(|(_, facts)| facts),
        tagged: None,
        ledger_faults: Vec::new(),
        waiting_counts: Vec::new(),
        ahead: get(row, name, "ahead")?,
    }))
}

fn subscriptions(row: &PgRow) -> Result<Vec<SubscriptionFacts>, StoreError> {
    let name = WHY_FACTS.name;
    let allocs: Vec<String> = get(row, name, "allocs")?;
    let names: Vec<String> = get(row, name, "alloc_names")?;
    let cores: Vec<i64> = get(row, name, "sub_cores")?;
    let bursts: Vec<i64> = get(row, name, "sub_bursts")?;
    let amounts = cores.into_iter().zip(bursts);
    let all = allocs.into_iter().zip(names).zip(amounts);
    let facts = all.map(|((alloc, name), (cores, burst))| SubscriptionFacts {
        alloc: alloc.into(),
        name,
        cores,
        burst,
    });
    Ok(facts.collect())
}

fn of_one_layer(
    row: &PgRow,
    limits: &HashMap<LimitId, FoundLimit>,
) -> Result<LayerFacts, StoreError> {
    let name = WHY_FACTS.name;
    let count = |column| get::<i64>(row, name, column);
    let starts_in: Option<i64> = get(row, name, "starts_in_ms")?;
    let bound: Vec<String> = get(row, name, "limits")?;
    let bound = bound.into_iter().map(LimitId::from);
    Ok(LayerFacts {
        layer: layer(row, name)?,
        counts: Counts {
            total: count("int_total_count")?,
            waiting: count("int_waiting_count")?,
            running: count("int_running_count")?,
            depend: count("int_depend_count")?,
            dead: count("int_dead_count")?,
            done: count("int_succeeded_count")?.saturating_add(count("int_eaten_count")?),
        },
        earlier: count("earlier")?,
        starts_in: starts_in
            .and_then(|ms| u64::try_from(ms).ok())
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis),
        start_reason: get(row, name, "str_start_after_reason")?,
        limits: bound
            .filter_map(|id| limits.get(&id).cloned())
            .map(FoundLimit::facts)
            .collect(),
        rests: None,
    })
}
