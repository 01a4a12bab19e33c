//! Reasons for which something waits.

use std::sync::Arc;
use std::time::Duration;

use super::contradictions::Contradiction;
use super::facts::{CapFacts, Counts, FrameFacts, LimitFacts, SubscriptionFacts};
use super::held::HeldRow;
use super::queued::Queued;
use super::reserved::ReservedHosts;
use crate::backoff::Backoff;
use crate::fit::Misfit;
use crate::health::BookingTrouble;
use crate::pause::Pause;
use crate::tags::Tag;
use crate::units::Centicores;
use crate::wait_reason::WaitReason;

/// A reason to wait, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The show is switched off.
    ShowInactive,
    /// Cuebot books this show by itself.
    ShowNotManaged,
    /// This scheduler serves another facility only; this is its name.
    OtherFacility(String),
    /// The job is not pending.
    JobState(String),
    /// Somebody paused the job.
    JobPaused,
    /// Somebody paused booking for its show, its facility or everything.
    BookingPaused {
        /// The pause.
        pause: Pause,
        /// Time until its end.
        remaining: Duration,
    },
    /// The frame is in another state than waiting.
    FrameState(FrameFacts),
    /// No frame waits.
    NothingWaits(Counts),
    /// This scheduler books nothing for any of the layer's tags.
    TagsIgnored,
    /// The layer must not start yet.
    StartsLater {
        /// Time from now.
        wait: Duration,
        /// The reason in the row, if there is one.
        reason: Option<String>,
    },
    /// The show may use no allocation of the job's facility.
    NoSubscription,
    /// The subscription with the most remaining cores admits no frame.
    Burst {
        /// The subscription.
        subscription: SubscriptionFacts,
        /// Cores of a frame on the hosts with room, if these are more than the least: memory and thread mode
        /// can make a frame grow.
        takes: Option<Centicores>,
    },
    /// The folder's cores are used up.
    FolderCores(CapFacts),
    /// The folder's GPUs are used up.
    FolderGpus(CapFacts),
    /// The job's cores are used up.
    JobCores {
        /// The job's cap.
        cap: CapFacts,
        /// Centicores that must remain under the cap.
        needs: i64,
    },
    /// The job's GPUs are used up.
    JobGpus(CapFacts),
    /// A limit has no room.
    Limit(Box<LimitFacts>),
    /// The layer names no tags.
    NamesNoTags,
    /// No open host carries any of these tags of the layer.
    NoTag(Vec<Tag>),
    /// Hosts with the tag are in allocations that the show may not use.
    TagElsewhere {
        /// Number of these hosts.
        hosts: usize,
    },
    /// None of the hosts offers the operating system.
    NoOs {
        /// Number of hosts with the tag.
        hosts: usize,
        /// Operating systems that these offer, the most common one first.
        offered: Vec<Arc<str>>,
    },
    /// The hosts take threadable layers only.
    ThreadMode {
        /// Number of hosts with the tag and the operating system.
        hosts: usize,
    },
    /// No host is big enough, even when nothing runs on it. `None` if each amount is there, but not on one host.
    TooSmall(Option<Lack>),
    /// Hosts are big enough, all are busy, and some are reserved for the layer.
    Reserved(ReservedHosts),
    /// Hosts have room, and all of them are reserved for another layer.
    ReservedForOther(ReservedHosts),
    /// Hosts are big enough, and all are busy.
    Busy {
        /// Number of hosts on which a frame fits when they are idle.
        fitting: usize,
        /// True if their idle cores together are enough for a frame.
        in_pieces: bool,
    },
    /// Rows contradict each other, and it would run if they did not.
    Contradiction(Contradiction),
    /// Hosts have room, and all of them back off after failed launches.
    HostsBackOff {
        /// Number of these hosts.
        hosts: usize,
        /// Time until the first is tried again.
        remaining: Duration,
    },
    /// A host has room, and a frame there would take more than the cap still admits.
    CapTooTight(Misfit),
    /// Every booking fails.
    BookingFails(BookingTrouble),
    /// The layer backs off.
    SetAside(Backoff),
    /// Hosts have room, and the policy serves others first.
    Queued(Queued),
    /// Another session holds a row that it needs, which is the only reason.
    Held(HeldRow),
    /// No rule above the hosts keeps it, and the hosts could not be read.
    HostsUnread,
    /// Nothing keeps it.
    CanRun {
        /// Frames of its show that are served before it.
        ahead: i64,
        /// Hosts with room now.
        hosts: usize,
    },
}

/// An amount that a frame needs and no host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Dimension of the amount.
    pub dimension: Dimension,
    /// Amount that a frame needs: centicores, KiB or GPUs.
    pub needs: i64,
    /// Amount that the biggest host has.
    pub biggest: i64,
}

/// Dimension of a host's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Cores, in centicores.
    Cores,
    /// Memory, in KiB.
    Memory,
    /// GPUs.
    Gpus,
    /// GPU memory, in KiB.
    GpuMemory,
}

impl Why {
    /// The reason without its facts.
    pub fn reason(&self) -> WaitReason {
        match self {
            Self::ShowInactive => WaitReason::ShowInactive,
            Self::ShowNotManaged => WaitReason::ShowNotManaged,
            Self::OtherFacility(_) => WaitReason::OtherFacility,
            Self::JobState(_) => WaitReason::JobState,
            Self::JobPaused | Self::BookingPaused { .. } => WaitReason::Paused,
            Self::FrameState(frame) if frame.state == "DEPEND" => WaitReason::Depends,
            Self::FrameState(_) => WaitReason::FrameState,
            Self::NothingWaits(counts) if counts.depend > 0 => WaitReason::Depends,
            Self::NothingWaits(_) => WaitReason::NothingWaits,
            Self::TagsIgnored => WaitReason::TagsIgnored,
            Self::StartsLater { .. } => WaitReason::StartAfter,
            Self::NoSubscription => WaitReason::NoSubscription,
            Self::Burst { .. } => WaitReason::ShowBurst,
            Self::FolderCores(_) | Self::FolderGpus(_) => WaitReason::FolderCap,
            Self::JobCores { .. } | Self::JobGpus(_) | Self::CapTooTight(_) => WaitReason::JobCap,
            Self::Limit(limit) if limit.reported > 0 => WaitReason::License,
            Self::Limit(_) => WaitReason::Limit,
            Self::NamesNoTags
            | Self::NoTag(_)
            | Self::TagElsewhere { .. }
            | Self::NoOs { .. }
            | Self::ThreadMode { .. }
            | Self::TooSmall(_) => WaitReason::NoHost,
            Self::Reserved(_) => WaitReason::Reserved,
            Self::ReservedForOther(_) => WaitReason::ReservedForOther,
            Self::Busy { in_pieces, .. } if *in_pieces => WaitReason::NoFit,
            Self::Busy { .. } => WaitReason::Capacity,
            Self::Contradiction(_) => WaitReason::Contradiction,
            Self::HostsBackOff { .. } => WaitReason::HostsBackOff,
            Self::BookingFails(_) => WaitReason::BookingFails,
            Self::SetAside(_) => WaitReason::Backoff,
            Self::Queued(queued) => queued.reason(),
            Self::Held(_) => WaitReason::Held,
            Self::HostsUnread => WaitReason::HostsUnread,
            Self::CanRun { .. } => WaitReason::CanRun,
        }
    }

    /// Code of the rule, where several rules have one reason.
    pub const fn rule(&self) -> Option<&'static str> {
        Some(match self {
            Self::FolderCores(_) => "folder_cores",
            Self::FolderGpus(_) => "folder_gpus",
            Self::JobCores { .. } => "job_cores",
            Self::JobGpus(_) => "job_gpus",
            Self::CapTooTight(_) => "cap_too_tight",
            Self::NamesNoTags => "no_tags",
            Self::NoTag(_) => "no_host_with_tag",
            Self::TagElsewhere { .. } => "tag_elsewhere",
            Self::NoOs { .. } => "no_os",
            Self::ThreadMode { .. } => "thread_mode",
            Self::TooSmall(_) => "too_small",
            _ => return None,
        })
    }

    /// Code of the reasons that are no fault of the job: something in the farm fails or contradicts itself.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::BookingFails(_) | Self::Contradiction(_) | Self::Held(_) | Self::HostsUnread => {
                Some(self.reason().code())
            }
            _ => None,
        }
    }
}
