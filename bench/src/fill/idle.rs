//! Reasons of idle cores while frames wait: each idle host against everything that still waits.
//!
//! The question is the scheduler's own, [`fit::reserve`]: would a frame of this layer fit on this
//! host? If one would, the idle cores are the scheduler's doing; if none does, the table says what
//! they lack.

use std::collections::BTreeMap;
use std::sync::Arc;

use cue_domain::fit::{self, FitRules, Misfit};
use cue_domain::host::ThreadMode;
use cue_domain::{Centicores, Host, Kib, Layer, Resources, tags};
use serde::Serialize;
use sqlx::{PgPool, Row};

use crate::stats::markdown;

/// A waiting frame would fit: the scheduler could have used these cores.
const FITS: &str = "a waiting frame fits";

/// Hosts of as many cores.
#[derive(Clone, Debug, Default, Serialize)]
pub struct IdleClass {
    /// Whole cores of a host.
    pub host_cores: i64,
    /// Hosts.
    pub hosts: u64,
    /// Whole cores of all of them.
    pub cores: i64,
    /// Whole cores idle.
    pub idle: i64,
    /// Hosts with an idle core.
    pub hosts_with_idle: u64,
    /// Idle whole cores by the reason.
    pub why: BTreeMap<&'static str, i64>,
}

/// Idle resources by class of hosts, the largest first.
///
/// # Errors
/// The database did not answer.
pub async fn by_class(pool: &PgPool) -> anyhow::Result<Vec<IdleClass>> {
    let (hosts, layers) = (hosts(pool).await?, waiting(pool).await?);
    let mut classes: BTreeMap<i64, IdleClass> = BTreeMap::new();
    for host in &hosts {
        let (total, idle) = (host.total.cores.whole(), host.idle.cores.whole());
        let class = classes.entry(total).or_insert_with(|| IdleClass {
            host_cores: total,
            ..IdleClass::default()
        });
        class.hosts += 1;
        class.cores += total;
        class.idle += idle;
        if idle > 0 {
            class.hosts_with_idle += 1;
            *class.why.entry(reason(host, &layers)).or_default() += idle;
        }
    }
    Ok(classes.into_values().rev().collect())
}

/// Idle whole cores that a waiting frame fits.
#[must_use]
pub fn usable(classes: &[IdleClass]) -> u64 {
    let fitting = classes.iter().filter_map(|class| class.why.get(FITS));
    fitting.sum::<i64>().unsigned_abs()
}

/// The reason why nothing runs on the idle cores of a host.
fn reason(host: &Host, layers: &[Layer]) -> &'static str {
    let rules = FitRules::default();
    let mut asked = layers
        .iter()
        .filter(|layer| layer.tags.iter().any(|tag| host.tags.contains(tag)))
        .map(|layer| fit::reserve(layer, host, &rules, None))
        .peekable();
    if asked.peek().is_none() {
        return "nothing waits for its tags";
    }
    let (mut memory, mut cores) = (false, false);
    for answer in asked {
        match answer {
            Ok(_) => return FITS,
            Err(Misfit::Memory { .. }) => memory = true,
            Err(_) => cores = true,
        }
    }
    match (memory, cores) {
        (true, false) => "too little memory for any",
        (false, _) => "too few cores for any",
        (true, true) => "too little memory or too few cores",
    }
}

async fn hosts(pool: &PgPool) -> anyhow::Result<Vec<Host>> {
    let rows = sqlx::query(
        "SELECT h.pk_host, h.str_name, a.pk_facility, h.pk_alloc, h.int_cores, h.int_cores_idle, h.int_mem,
                h.int_mem_idle,
                ARRAY(SELECT t.str_tag::text FROM host_tag t WHERE t.pk_host = h.pk_host) AS tags
         FROM host h JOIN alloc a ON a.pk_alloc = h.pk_alloc",
    )
    .fetch_all(pool)
    .await?;
    let mut hosts = Vec::with_capacity(rows.len());
    for row in &rows {
        let amount = |cores: &str, memory: &str| -> Result<Resources, sqlx::Error> {
            Ok(Resources {
                cores: Centicores(row.try_get(cores)?),
                memory: Kib(row.try_get(memory)?),
                ..Resources::NONE
            })
        };
        let tags: Vec<String> = row.try_get("tags")?;
        hosts.push(Host {
            id: row.try_get::<String, _>("pk_host")?.into(),
            name: row.try_get::<String, _>("str_name")?.into(),
            facility: row.try_get::<String, _>("pk_facility")?.into(),
            alloc: row.try_get::<String, _>("pk_alloc")?.into(),
            tags: tags.iter().map(|tag| tag.as_str().into()).collect(),
            os: Arc::new([]),
            thread_mode: ThreadMode::Auto,
            total: amount("int_cores", "int_mem")?,
            ledger: amount("int_cores_idle", "int_mem_idle")?,
            idle: amount("int_cores_idle", "int_mem_idle")?,
            reported_us: 0,
        });
    }
    Ok(hosts)
}

/// One layer of each kind that still waits.
async fn waiting(pool: &PgPool) -> anyhow::Result<Vec<Layer>> {
    let rows = sqlx::query(
        "SELECT l.str_tags, l.int_cores_min, l.int_cores_max, l.int_mem_min, l.b_threadable,
                min(l.pk_layer) AS pk_layer, sum(s.int_waiting_count)::bigint AS waiting
         FROM layer l
         JOIN layer_stat s ON s.pk_layer = l.pk_layer AND s.int_waiting_count > 0
         JOIN job j ON j.pk_job = l.pk_job AND j.str_state = 'PENDING' AND NOT j.b_paused
         GROUP BY 1, 2, 3, 4, 5",
    )
    .fetch_all(pool)
    .await?;
    let mut layers = Vec::with_capacity(rows.len());
    for row in &rows {
        let most: i32 = row.try_get("int_cores_max")?;
        layers.push(Layer {
            id: row.try_get::<String, _>("pk_layer")?.into(),
            name: "waiting".into(),
            dispatch_order: 0,
            cores_min: Centicores(row.try_get("int_cores_min")?),
            cores_max: (most > 0).then(|| Centicores(most.into())),
            memory_min: Kib(row.try_get("int_mem_min")?),
            gpus_min: 0,
            gpu_memory_min: Kib(0),
            threadable: row.try_get("b_threadable")?,
            services: Arc::new([]),
            tags: tags::alternatives(row.try_get("str_tags")?).into(),
            waiting: row.try_get("waiting")?,
        });
    }
    Ok(layers)
}

/// The classes as a Markdown table.
#[must_use]
pub fn table(classes: &[IdleClass]) -> String {
    let head = [
        "class",
        "hosts",
        "cores",
        "idle cores",
        "hosts with idle cores",
        "why",
    ];
    let row = |class: &IdleClass| {
        let why: Vec<String> = class
            .why
            .iter()
            .map(|(reason, cores)| format!("{reason}: {cores}"))
            .collect();
        vec![
            format!("{} cores", class.host_cores),
            class.hosts.to_string(),
            class.cores.to_string(),
            class.idle.to_string(),
            class.hosts_with_idle.to_string(),
            why.join(", "),
        ]
    };
    markdown(&head, classes.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(cores: i64, memory: i64) -> Host {
        let idle = Resources {
            cores: Centicores::cores(cores),
            memory: Kib::gib(memory),
            ..Resources::NONE
        };
        Host {
            id: String::from("h").into(),
            name: "h".into(),
            facility: String::from("f").into(),
            alloc: String::from("a").into(),
            tags: Arc::new(["pool".into()]),
            os: Arc::new([]),
            thread_mode: ThreadMode::Auto,
            total: Resources {
                cores: Centicores::cores(16),
                memory: Kib::gib(64),
                ..Resources::NONE
            },
            ledger: idle,
            idle,
            reported_us: 0,
        }
    }

    fn layer(cores: i64, memory: i64, tag: &str) -> Layer {
        Layer {
            id: String::from("l").into(),
            name: "l".into(),
            cores_min: Centicores::cores(cores),
            memory_min: Kib::gib(memory),
            threadable: true,
            tags: Arc::new([tag.into()]),
            waiting: 1,
            ..Layer::default()
        }
    }

    #[test]
    fn an_idle_core_has_the_reason_that_holds_for_every_waiting_layer() {
        let (large, heavy) = (layer(8, 2, "pool"), layer(1, 32, "pool"));
        let other = layer(1, 1, "elsewhere");
        assert_eq!(reason(&host(8, 16), std::slice::from_ref(&large)), FITS);
        assert_eq!(
            reason(&host(4, 16), std::slice::from_ref(&large)),
            "too few cores for any"
        );
        assert_eq!(
            reason(&host(4, 1), std::slice::from_ref(&heavy)),
            "too little memory for any"
        );
        assert_eq!(
            reason(&host(4, 16), &[large, heavy]),
            "too little memory or too few cores"
        );
        assert_eq!(reason(&host(4, 16), &[other]), "nothing waits for its tags");
    }
}
