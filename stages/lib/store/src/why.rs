//! Facts that explain why a job, a layer or a frame waits.
//!
//! Invariant: it only reads, outside of any booking transaction, and takes no lock. Rows that others hold are
//! looked for elsewhere, once nothing else keeps a layer.

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::why::{
    CapFacts, Counts, Facts, FrameFacts, LayerFacts, ReservationFacts, SubscriptionFacts,
    TaggedHosts,
};
use cue_domain::{FacilityId, LayerId, LimitId, Tag};

use crate::error::StoreError;
use crate::limits::{Count, FoundLimit};
use crate::pool::Store;
use crate::rows::{Row, Text};
use crate::statements::{WHY_FACTS, WHY_SUBJECT, WHY_TAGGED, query};
use crate::unreadable::Reader;

impl Store {
    /// The facts about what `text` names: an id of a job, a layer or a frame, or `JOB`, `JOB/LAYER`,
    /// `JOB/FRAME`. `None` when there is nothing of that name. Layers that `back_off` are not ahead of
    /// others.
    pub async fn why(&self, text: &str, back_off: &[LayerId]) -> Result<Option<Facts>, StoreError> {
        let (jobs, parts): (Vec<_>, Vec<_>) = splits(text).unzip();
        let subject = query(&WHY_SUBJECT)
            .bind(text.to_owned())
            .bind(jobs)
            .bind(parts);
        let mut conn = self.connection().await?;
        let found = self.meters.rows(&WHY_SUBJECT, subject, &mut conn).await?;
        let Some(found) = found.first() else {
            return Ok(None);
        };
        let (job, layer): (String, Option<String>) = (found.get("pk_job")?, found.get("pk_layer")?);
        let frame = frame(found)?;
        let of_layer = layer.is_some();
        let back_off = back_off.iter().map(|layer| layer.as_str().to_owned());
        let facts_of = query(&WHY_FACTS)
            .bind(job)
            .bind(layer)
            .bind(back_off.collect::<Vec<_>>());
        let rows = self.meters.rows(&WHY_FACTS, facts_of, &mut conn).await?;
        let mut bound: Vec<String> = Vec::new();
        for row in &rows {
            bound.extend(row.get::<Vec<String>>("limits")?);
        }
        let limits = if bound.is_empty() {
            HashMap::new()
        } else {
            self.read_limits(&mut conn, bound, Vec::new(), Count::All)
                .await?
        };
        drop(conn);
        let reader = self.meters.reader(&WHY_FACTS);
        facts((&rows[..], reader), &limits, of_layer, frame)
    }

    /// The hosts that have one of the tags, and what keeps them from frames of this facility. A host
    /// is silent when RQD has not reported on it for `stale_after`; with `None` none is.
    pub async fn tagged_hosts(
        &self,
        tags: &[Tag],
        facility: &FacilityId,
        stale_after: Option<Duration>,
    ) -> Result<TaggedHosts, StoreError> {
        let tags: Vec<String> = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
        let seconds = stale_after.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let query = query(&WHY_TAGGED)
            .bind(tags)
            .bind(facility.as_str().to_owned())
            .bind(seconds);
        let rows = self.fetch(&WHY_TAGGED, query).await?;
        let Some(row) = rows.first() else {
            return Ok(TaggedHosts::default());
        };
        let count = |column| row.get::<i64>(column);
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

/// Slashes at which a text is split, at most: a bound on what one question costs.
const MOST_SPLITS: usize = 32;

/// The text before and behind each slash.
fn splits(text: &str) -> impl Iterator<Item = (String, String)> {
    let slashes = text.match_indices('/').take(MOST_SPLITS);
    slashes.map(|(at, slash)| (text[..at].to_owned(), text[at + slash.len()..].to_owned()))
}

/// The frame a text names, and its name; none if it names something else.
fn frame(row: &Row) -> Result<Option<(String, FrameFacts)>, StoreError> {
    let Some(frame_name) = row.get::<Option<String>>("frame_name")? else {
        return Ok(None);
    };
    let count = |column| row.get::<Option<i64>>(column);
    let facts = FrameFacts {
        id: row.get::<Option<String>>("pk_frame")?.unwrap_or_default(),
        state: row
            .get::<Option<String>>("frame_state")?
            .unwrap_or_default(),
        host: row
            .get::<Option<String>>("frame_host")?
            .filter(|host| !host.is_empty()),
        depends_on: count("depend_count")?.unwrap_or_default(),
        ahead_in_layer: count("ahead_in_layer")?.unwrap_or_default(),
    };
    Ok(Some((frame_name, facts)))
}

fn facts(
    (rows, reader): (&[Row], Reader<'_>),
    limits: &HashMap<LimitId, FoundLimit>,
    of_layer: bool,
    frame: Option<(String, FrameFacts)>,
) -> Result<Option<Facts>, StoreError> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let job_name = row.shown("job_name")?;
    let layers = reader.each(rows, |row| of_one_layer(row, limits))?;
    if layers.is_empty() {
        // Nothing is left to be explained but the fault.
        of_one_layer(row, limits)?;
    }
    let subject = match (&frame, of_layer, layers.first()) {
        (Some((frame, _)), ..) => format!("frame {frame} of job {job_name}"),
        (None, true, Some(layer)) => format!("layer {} of job {job_name}", layer.layer.name),
        _ => format!("job {job_name}"),
    };
    let os: Option<String> = row.get("str_os")?;
    Ok(Some(Facts {
        subject,
        show: row.shown("show_name")?,
        show_active: row.get("b_active")?,
        show_managed: row.get("b_scheduler_managed")?,
        show_booking: row.get("b_booking_enabled")?,
        facility: row.id("pk_facility")?,
        facility_name: row.shown("facility_name")?,
        job_state: row.get("str_state")?,
        paused: row.get("b_paused")?,
        os: os.filter(|os| !os.is_empty()),
        job: CapFacts {
            name: job_name,
            cores: row.get("job_cores")?,
            max_cores: row.get("job_max_cores")?,
            gpus: row.get("job_gpus")?,
            max_gpus: row.get("job_max_gpus")?,
        },
        folder: CapFacts {
            name: row.shown("folder_name")?,
            cores: row.get("folder_cores")?,
            max_cores: row.get("folder_max_cores")?,
            gpus: row.get("folder_gpus")?,
            max_gpus: row.get("folder_max_gpus")?,
        },
        subscriptions: subscriptions(row)?,
        layers,
        frame: frame.map(|(_, facts)| facts),
        tagged: None,
        ledger_faults: Vec::new(),
        waiting_counts: Vec::new(),
        unread: Vec::new(),
        ahead: row.get("ahead")?,
    }))
}

fn subscriptions(row: &Row) -> Result<Vec<SubscriptionFacts>, StoreError> {
    let allocs: Vec<String> = row.get("allocs")?;
    let names = row.all_shown("alloc_names")?;
    let cores: Vec<i64> = row.get("sub_cores")?;
    let bursts: Vec<i64> = row.get("sub_bursts")?;
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
    row: &Row,
    limits: &HashMap<LimitId, FoundLimit>,
) -> Result<LayerFacts, StoreError> {
    let count = |column| row.get::<i64>(column);
    let starts_in: Option<i64> = row.get("starts_in_ms")?;
    let bound: Vec<String> = row.get("limits")?;
    let bound = bound.into_iter().map(LimitId::from);
    Ok(LayerFacts {
        layer: row.layer()?,
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
        start_reason: row
            .get::<Option<Text>>("str_start_after_reason")?
            .map(Text::shown),
        limits: bound
            .filter_map(|id| limits.get(&id).cloned())
            .map(FoundLimit::facts)
            .collect(),
        set_aside: None,
        held: None,
        reservations: ReservationFacts::default(),
        queued: None,
    })
}
