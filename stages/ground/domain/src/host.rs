//! Hosts as the database last showed them.

use std::sync::Arc;

use crate::ids::{AllocId, FacilityId, HostId};
use crate::tags::Tag;
use crate::units::Resources;

/// How a host hands out cores (`host.int_thread_mode`; contract, section 1).
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
    #[must_use]
    pub const fn from_db(n: i32) -> Option<Self> {
        match n {
            0 => Some(Self::Auto),
            1 => Some(Self::All),
            2 => Some(Self::Variable),
            _ => None,
        }
    }
}

/// An open host that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `host.pk_host`.
    pub id: HostId,
    /// `host.str_name`: what is dialled, and what `frame.str_host` must say.
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
    /// What it has in all.
    pub total: Resources,
    /// What is idle: the ledger of the `host` row, lowered to what RQD last reported as free.
    pub idle: Resources,
}

impl Host {
    /// Whether it offers the operating system a job demands.
    #[must_use]
    pub fn offers_os(&self, wanted: Option<&str>) -> bool {
        wanted.is_none_or(|wanted| self.os.iter().any(|os| &**os == wanted))
    }
}
