//! Hosts as the database last showed them.

use std::sync::Arc;

use crate::ids::{AllocId, FacilityId, HostId};
use crate::tags::Tag;
use crate::units::{Centicores, Kib, Resources};

/// Rule by which a host hands out cores (`host.int_thread_mode`) (OPENCUE.md, States).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ThreadMode {
    /// 0: cores by memory.
    #[default]
    Auto,
    /// 1: a frame takes all idle cores; threadable layers only.
    All,
    /// 2: threadable layers get at least two cores.
    Variable,
}

impl ThreadMode {
    /// Reads `host.int_thread_mode`; `None` for a number that is no mode.
    pub const fn from_db(n: i32) -> Option<Self> {
        match n {
            0 => Some(Self::Auto),
            1 => Some(Self::All),
            2 => Some(Self::Variable),
            _ => None,
        }
    }
}

/// Free memory of a host by its last report, in KiB.
///
/// RQD also measures memory that is used without having been booked, which the ledger cannot know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryReport {
    /// Free memory.
    pub free: Kib,
    /// Free GPU memory.
    pub gpu_free: Kib,
}

impl MemoryReport {
    /// Free memory below which nothing is booked on a host (OPENCUE.md, Eligibility).
    pub const LEAST: Kib = Kib(524_288);
}

/// Resources that the procs of a host hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Everything that they hold.
    pub all: Resources,
    /// Memory that was booked after the last report, in KiB: the report knows nothing of it.
    pub unreported: Kib,
    /// GPU memory that was booked after the last report, in KiB.
    pub gpu_unreported: Kib,
}

/// Returns the resources that may be booked on a host with this idle `ledger` and `total`.
///
/// A ledger that leaves more idle than the procs do is wrong, so the smaller amount counts.
pub fn bookable(
    ledger: &Resources,
    total: &Resources,
    report: MemoryReport,
    held: &Held,
) -> Resources {
    let mut idle = ledger.at_most(&total.minus(&held.all));
    if report.free < MemoryReport::LEAST {
        idle.cores = idle.cores.min(Centicores(0));
    }
    let less = |free: Kib, booked: Kib| Kib(free.0.saturating_sub(booked.0));
    idle.memory = idle.memory.min(less(report.free, held.unreported));
    idle.gpu_memory = idle
        .gpu_memory
        .min(less(report.gpu_free, held.gpu_unreported));
    idle
}

/// Idle resources of a host as a booking found them under its lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostIdle {
    /// Idle resources by the ledger.
    pub ledger: Resources,
    /// The part of them that must not be booked before the next report, see [`bookable`].
    pub withheld: Resources,
}

impl HostIdle {
    /// Idle resources that may be booked.
    pub fn bookable(&self) -> Resources {
        self.ledger.minus(&self.withheld)
    }
}

impl From<Resources> for HostIdle {
    /// Nothing is withheld.
    fn from(ledger: Resources) -> Self {
        Self {
            ledger,
            withheld: Resources::NONE,
        }
    }
}

/// An open host that is up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// `host.pk_host`.
    pub id: HostId,
    /// `host.str_name`: the name that is dialled, and that `frame.str_host` must have.
    pub name: Arc<str>,
    /// The facility of its allocation.
    pub facility: FacilityId,
    /// `host.pk_alloc`.
    pub alloc: AllocId,
    /// All its tags, of every kind, sorted and without duplicates.
    pub tags: Arc<[Tag]>,
    /// The operating systems it offers: `host_stat.str_os` split at commas.
    pub os: Arc<[Arc<str>]>,
    /// `host.int_thread_mode`.
    pub thread_mode: ThreadMode,
    /// Resources of the host in all.
    pub total: Resources,
    /// Idle resources by the ledger of the `host` row.
    pub ledger: Resources,
    /// Idle resources that may be booked, as far as is known: see [`bookable`].
    pub idle: Resources,
    /// Time of the last report, in microseconds since 1970.
    pub reported_us: i64,
}

impl Host {
    /// Returns true if it offers the operating system that a job demands; `None` demands none.
    pub fn offers_os(&self, wanted: Option<&str>) -> bool {
        wanted.is_none_or(|wanted| self.os.iter().any(|os| &**os == wanted))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amounts() -> impl Strategy<Value = Resources> {
        let amount = || prop_oneof![-3i64..1_000_000, Just(i64::MIN), Just(i64::MAX)];
        (amount(), amount(), amount(), amount()).prop_map(|(cores, memory, gpus, gpu_memory)| {
            Resources {
                cores: Centicores(cores),
                memory: Kib(memory),
                gpus,
                gpu_memory: Kib(gpu_memory),
            }
        })
    }

    fn held() -> impl Strategy<Value = (MemoryReport, Held)> {
        let free = || prop_oneof![-3i64..1_000_000, Just(i64::MIN), Just(i64::MAX)];
        let booked = || prop_oneof![0i64..1_000_000, Just(i64::MAX)];
        (free(), free(), booked(), booked(), amounts()).prop_map(|(free, gpu, one, two, all)| {
            let report = MemoryReport {
                free: Kib(free),
                gpu_free: Kib(gpu),
            };
            let held = Held {
                all,
                unreported: Kib(one),
                gpu_unreported: Kib(two),
            };
            (report, held)
        })
    }

    proptest! {
        #[test]
        fn never_more_than_ledger_procs_and_report_leave(
            ledger in amounts(), total in amounts(), (report, held) in held(),
        ) {
            let idle = bookable(&ledger, &total, report, &held);
            let left = total.minus(&held.all);
            prop_assert!(idle.fits_in(&ledger) && idle.fits_in(&left));
            let free = i128::from(report.free.0) - i128::from(held.unreported.0);
            let gpu_free = i128::from(report.gpu_free.0) - i128::from(held.gpu_unreported.0);
            let within = |idle: Kib, free: i128| i128::from(idle.0) <= free.max(i64::MIN.into());
            prop_assert!(within(idle.memory, free) && within(idle.gpu_memory, gpu_free));
            let low = report.free.0 < 524_288;
            prop_assert!(!low || idle.cores.0 <= 0);
            // And nothing is lost: each amount is one of those that bound it.
            let least = ledger.at_most(&left);
            prop_assert!(idle.memory == least.memory || i128::from(idle.memory.0) >= free);
            prop_assert!(low || idle.cores == least.cores);
            prop_assert_eq!(idle.gpus, least.gpus);
        }
    }
}
