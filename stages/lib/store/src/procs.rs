//! Procs of layers and of hosts.

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::host::{Held, bookable};
use cue_domain::reservation::Runs;
use cue_domain::{Centicores, HostId, Kib, LayerId, Resources};

use crate::error::StoreError;
use crate::keys::column;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{CHECK_UNREPORTED, HOST_PROCS, LAYER_HOSTS, LAYER_MEMORY, query};

/// Time without a report that names a proc, after which it counts as unreported. Hosts report once a minute or more
/// often.
pub const UNREPORTED_AFTER: Duration = Duration::from_secs(90);

/// A host and its procs, from one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostProcs {
    /// Resources that may be booked.
    pub idle: Resources,
    /// Its procs.
    pub procs: Vec<HostProc>,
}

/// A proc of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProc {
    /// Layer of its frame; empty if the row names none.
    pub layer: LayerId,
    /// Resources that it holds.
    pub holds: Resources,
    /// Time since its frame started.
    pub elapsed: Duration,
    /// Runs of the succeeded frames of its layer; `None` if there is none.
    pub runs: Option<Runs>,
    /// True if no report of the host names it, so that no run of its ends.
    pub is_unreported: bool,
}

/// Procs that no report of their hosts names, though these hosts send reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreportedProcs {
    /// Names of the first hosts, those where such procs hold the most cores first.
    pub first_hosts: Vec<String>,
    /// Number of hosts.
    pub hosts: usize,
    /// Number of procs.
    pub procs: usize,
    /// Cores that they hold.
    pub cores: Centicores,
}

impl Store {
    /// Number of procs of each of these layers on each host. A layer without procs is left out.
    pub async fn layer_hosts(
        &self,
        layers: &[LayerId],
    ) -> Result<HashMap<LayerId, HashMap<HostId, u32>>, StoreError> {
        let layers = column(layers, LayerId::as_str);
        let query = query(&LAYER_HOSTS).bind(layers);
        let rows = self.fetch(&LAYER_HOSTS, query).await?;
        let counted = self.meters.reader(&LAYER_HOSTS).each(&rows, |row| {
            let procs: i64 = row.get("procs")?;
            let layer: LayerId = row.id("pk_layer")?;
            let host: HostId = row.id("pk_host")?;
            Ok((layer, host, u32::try_from(procs).unwrap_or(u32::MAX)))
        })?;
        let mut hosts: HashMap<LayerId, HashMap<HostId, u32>> = HashMap::new();
        for (layer, host, procs) in counted {
            hosts.entry(layer).or_default().insert(host, procs);
        }
        Ok(hosts)
    }

    /// Memory that frames of these layers were seen to use, in KiB: of frames that succeeded, or if there are none,
    /// of frames that run; some of them if there are many. A layer without any is left out.
    pub async fn layer_memory(
        &self,
        layers: &[LayerId],
    ) -> Result<HashMap<LayerId, Vec<Kib>>, StoreError> {
        let layers = column(layers, LayerId::as_str);
        let query = query(&LAYER_MEMORY).bind(layers);
        let rows = self.fetch(&LAYER_MEMORY, query).await?;
        let seen = self.meters.reader(&LAYER_MEMORY).each(&rows, |row| {
            let seen: Vec<i64> = row.get("seen")?;
            let layer: LayerId = row.id("pk_layer")?;
            Ok((layer, seen.into_iter().map(Kib).collect()))
        })?;
        Ok(seen.into_iter().collect())
    }

    /// Procs that no host report names, with `most` of their hosts at most.
    pub async fn unreported_procs(&self, most: usize) -> Result<UnreportedProcs, StoreError> {
        let query = query(&CHECK_UNREPORTED)
            .bind(UNREPORTED_AFTER.as_secs_f64())
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.fetch(&CHECK_UNREPORTED, query).await?;
        let Some(sums) = rows.first() else {
            return Ok(UnreportedProcs::default());
        };
        let count = |column| -> Result<usize, StoreError> {
            Ok(usize::try_from(sums.get::<i64>(column)?).unwrap_or(0))
        };
        let names = rows.iter().map(|row| row.shown("str_name"));
        Ok(UnreportedProcs {
            first_hosts: names.collect::<Result<_, StoreError>>()?,
            hosts: count("hosts")?,
            procs: count("procs")?,
            cores: Centicores(sums.get("cores")?),
        })
    }

    /// Idle resources and procs of these hosts. A host that is gone is left out.
    pub async fn host_procs(
        &self,
        hosts: &[HostId],
    ) -> Result<HashMap<HostId, HostProcs>, StoreError> {
        let hosts = column(hosts, HostId::as_str);
        let query = query(&HOST_PROCS)
            .bind(hosts)
            .bind(UNREPORTED_AFTER.as_secs_f64());
        let rows = self.fetch(&HOST_PROCS, query).await?;
        let read = self.meters.reader(&HOST_PROCS).each(&rows, |row| {
            let is_proc: bool = row.get("is_proc")?;
            let proc = if is_proc { Some(host_proc(row)?) } else { None };
            let (ledger, total) = (row.idle()?, row.total()?);
            let report = row.memory_report()?;
            // Little free memory keeps frames off a host while others run there, not for longer.
            let idle = Resources {
                cores: ledger.cores,
                ..bookable(&ledger, &total, report, &Held::default())
            };
            Ok((row.id("pk_host")?, idle, proc))
        })?;
        let mut hosts: HashMap<HostId, HostProcs> = HashMap::new();
        for (host, idle, proc) in read {
            let host = hosts.entry(host).or_default();
            host.idle = idle;
            host.procs.extend(proc);
        }
        Ok(hosts)
    }
}

fn host_proc(row: &Row) -> Result<HostProc, StoreError> {
    let mean: Option<i64> = row.get("mean_run_ms")?;
    let longest: Option<i64> = row.get("longest_run_ms")?;
    Ok(HostProc {
        layer: row.id("pk_layer")?,
        holds: row.held()?,
        elapsed: millis(row.get("elapsed_ms")?),
        runs: mean.zip(longest).map(|(mean, longest)| Runs {
            mean: millis(mean),
            longest: millis(longest),
        }),
        is_unreported: row.get("is_unreported")?,
    })
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
