//! Limits: the number of frames, or hosts, that may use a licence at once (OPENCUE.md, Limits).
//!
//! A limit by frames counts each frame. A limit by hosts counts machines: a licence that a machine holds
//! serves all its frames, so frames on one host share a seat. Usage that licence servers report is settled;
//! frames that were booked since the report are pending.
//!
//! Invariant: [`Limit::admits`] and [`Limit::take`] are the whole rule. Planning uses them with rows that were
//! read without a lock, admission with rows that were read under it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use crate::ids::HostId;

/// Unit of a limit: `limit_record.str_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitKind {
    /// Running frames.
    #[default]
    Frames,
    /// Hosts that run frames or hold a licence for other reasons.
    Hosts,
}

impl LimitKind {
    /// The unit in a sentence, as in "3 of 5 hosts".
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Hosts => "hosts",
        }
    }
}

/// Usage that the farm's licence reports account for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// `limit_usage.int_settled_usage`.
    pub frames: i64,
    /// `limit_usage.int_settled_hosts`.
    pub hosts: i64,
    /// `limit_host.str_host_name`: the machines that hold a licence, artists' workstations included.
    pub holders: Vec<String>,
}

/// Procs of one host under a limit by hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUse {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Procs that no report accounts for yet.
    pub pending: i64,
}

/// The rows of a limit, as the database has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRows {
    /// Its unit.
    pub kind: LimitKind,
    /// True if the limit is enforced and its report, if any, is recent enough.
    pub gates: bool,
    /// `int_max_value`; `None` when it is not set.
    pub max: Option<i64>,
    /// `int_soft_value`, which caps hosts instead of the maximum unless it is negative.
    pub soft: i64,
    /// Usage that reports account for.
    pub settled: Settled,
    /// Procs that no report accounts for yet, of a limit by frames.
    pub pending: i64,
    /// Hosts that run frames of the limit, of a limit by hosts.
    pub hosts: Vec<HostUse>,
}

/// A limit and its usage. [`Limit::take`] adds to the usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    kind: LimitKind,
    gates: bool,
    cap: Option<i64>,
    usage: i64,
    /// Short names of machines that hold a licence according to the report.
    reported: HashSet<String>,
    /// Hosts that run a frame of the limit.
    running: HashSet<HostId>,
    /// Hosts among these that count in addition to the reported ones.
    pending: HashSet<HostId>,
}

impl Limit {
    /// The limit that rows describe.
    pub fn new(rows: LimitRows) -> Self {
        let settled = rows.settled;
        let mut limit = Self {
            kind: rows.kind,
            gates: rows.gates,
            ..Self::default()
        };
        if rows.kind == LimitKind::Frames {
            limit.cap = rows.max;
            limit.usage = settled.frames.saturating_add(rows.pending);
            return limit;
        }
        limit.cap = Some(rows.soft).filter(|soft| *soft >= 0).or(rows.max);
        limit.usage = settled.hosts;
        let holders = settled.holders.iter();
        limit.reported = holders.map(|name| short_name(name).into_owned()).collect();
        for usage in rows.hosts {
            if usage.pending > 0 {
                limit.take(&usage.host, &usage.name);
            }
            limit.running.insert(usage.host);
        }
        limit
    }

    /// Returns true if one more frame may run on a host.
    pub fn admits(&self, host: &HostId, host_name: &str) -> bool {
        !self.gates || self.has_room() || self.holds(host, host_name)
    }

    /// Returns true if a frame on the host needs no seat that is free now: the host holds the limit, or the
    /// limit counts frames.
    pub fn needs_no_seat(&self, host: &HostId, host_name: &str) -> bool {
        !self.gates || self.kind == LimitKind::Frames || self.holds(host, host_name)
    }

    /// Adds a frame on a host.
    pub fn take(&mut self, host: &HostId, host_name: &str) {
        match self.kind {
            LimitKind::Frames => self.usage = self.usage.saturating_add(1),
            LimitKind::Hosts => {
                if !self.is_reported(host_name) && self.pending.insert(host.clone()) {
                    self.usage = self.usage.saturating_add(1);
                }
                self.running.insert(host.clone());
            }
        }
    }

    /// Upper bound of the frames that may be tried now; `None` when the limit sets none. A limit by hosts
    /// sets none while a seat is free or a host holds one.
    pub fn most_frames(&self) -> Option<u32> {
        if !self.gates {
            return None;
        }
        let remaining = self.cap.map_or(0, |cap| cap.saturating_sub(self.usage));
        let remaining = u32::try_from(remaining.max(0)).unwrap_or(u32::MAX);
        match self.kind {
            LimitKind::Frames => Some(remaining),
            LimitKind::Hosts if remaining > 0 => None,
            LimitKind::Hosts if self.running.is_empty() && self.reported.is_empty() => Some(0),
            LimitKind::Hosts => None,
        }
    }

    /// Returns true if a frame may run on a host that does not hold the limit.
    pub fn has_room(&self) -> bool {
        !self.gates || self.cap.is_some_and(|cap| self.usage < cap)
    }

    /// Returns true if the limit can hold frames back at all.
    pub const fn gates(&self) -> bool {
        self.gates
    }

    /// Its unit.
    pub const fn kind(&self) -> LimitKind {
        self.kind
    }

    /// Frames or hosts in use, settled and pending.
    pub const fn usage(&self) -> i64 {
        self.usage
    }

    /// Frames or hosts allowed; `None` when no value is set, which admits none.
    pub const fn cap(&self) -> Option<i64> {
        self.cap
    }

    fn holds(&self, host: &HostId, host_name: &str) -> bool {
        self.kind == LimitKind::Hosts
            && (self.running.contains(host) || self.is_reported(host_name))
    }

    fn is_reported(&self, host_name: &str) -> bool {
        !self.reported.is_empty() && self.reported.contains(&*short_name(host_name))
    }
}

/// A host's name as licence reports have it: the first label in lower case. An address is kept whole.
pub fn short_name(name: &str) -> Cow<'_, str> {
    let label = match name.split_once('.') {
        Some((label, _)) if name.parse::<IpAddr>().is_err() => label,
        _ => name,
    };
    if label
        .chars()
        .all(|letter| letter.is_lowercase() || !letter.is_alphabetic())
    {
        Cow::Borrowed(label)
    } else {
        Cow::Owned(label.to_lowercase())
    }
}

#[cfg(test)]
mod tests;
