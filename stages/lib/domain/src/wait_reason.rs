//! Reasons for which frames wait: one list for the policy, `why`, the metrics, `/status` and the page.
//!
//! Invariant: a code keeps its meaning. Codes are labels of metrics, so they are few and fixed.

/// Declares the reasons, each with its code and its words.
macro_rules! reasons {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $words:literal; )+) => {
        /// A reason to wait, without its facts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum WaitReason {
            $( $(#[$doc])* $name, )+
        }

        impl WaitReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$( Self::$name, )+];

            /// Code of the reason: its value in JSON and in labels of metrics.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )+ }
            }

            /// The reason in a few words.
            pub const fn words(self) -> &'static str {
                match self { $( Self::$name => $words, )+ }
            }
        }
    };
}

reasons! {
    /// Nothing keeps the frames: they are next, or are being booked.
    CanRun = "can_run", "next, or being booked";
    /// The hosts that are large enough are busy.
    Capacity = "capacity", "its hosts are busy";
    /// Enough cores are idle, and no single host has all that a frame needs.
    NoFit = "no_fit", "idle cores are in pieces that are too small";
    /// No host could ever run the frames: tags, system, thread mode or size.
    NoHost = "no_host", "no host could run it";
    /// The show has no subscription to an allocation of the facility.
    NoSubscription = "no_subscription", "the show has no subscription";
    /// Idle cores go to shows that are further below their shares.
    Share = "share", "other shows are owed the idle cores";
    /// Idle cores of the show go to layers that are served before.
    Order = "order", "other layers of the show come first";
    /// The memory of the layer's frames is not known, and a few try it first.
    Trial = "trial", "a few frames try their memory first";
    /// Hosts are reserved for the layer and drain.
    Reserved = "reserved", "reserved hosts are draining for it";
    /// Hosts with room are reserved for another layer.
    ReservedForOther = "reserved_for_other", "hosts with room are reserved for another layer";
    /// Hosts with room keep it for waiting work with GPUs.
    GpuProtected = "gpu_protected", "hosts with room keep it for GPU work";
    /// The show's subscription is at its burst.
    ShowBurst = "show_burst", "the subscription is at its burst";
    /// The folder's cap on cores or GPUs is reached.
    FolderCap = "folder_cap", "the folder is at its cap";
    /// The job's cap on cores or GPUs is reached.
    JobCap = "job_cap", "the job is at its cap";
    /// A limit is full.
    Limit = "limit", "a limit is full";
    /// A limit is full, some of it by licences that others hold.
    License = "license", "licenses are in use";
    /// The layer backs off after a failure.
    Backoff = "backoff", "it backs off after a failure";
    /// All hosts with room back off after failed launches.
    HostsBackOff = "hosts_back_off", "hosts with room back off";
    /// Another session holds a row that the booking needs.
    Held = "held", "another session holds a row";
    /// Somebody paused the job, or booking for the show, its facility or everything.
    Paused = "paused", "somebody paused it";
    /// The frames wait for other frames.
    Depends = "depends", "other frames must end first";
    /// The layer must not start yet.
    StartAfter = "start_after", "it must not start yet";
    /// Rows contradict each other.
    Contradiction = "contradiction", "rows contradict each other";
    /// Every booking fails.
    BookingFails = "booking_fails", "every booking fails";
    /// The show is switched off.
    ShowInactive = "show_inactive", "the show is not active";
    /// Cuebot books the show by itself.
    ShowNotManaged = "show_not_managed", "Cuebot books the show";
    /// The scheduler serves another facility.
    OtherFacility = "other_facility", "another facility is served";
    /// The scheduler's settings leave out the layer's tags.
    TagsIgnored = "tags_ignored", "the settings leave out its tags";
    /// The job is not pending.
    JobState = "job_state", "the job is not pending";
    /// The frame is in another state than waiting.
    FrameState = "frame_state", "the frame does not wait";
    /// No frame waits.
    NothingWaits = "nothing_waits", "no frame waits";
    /// Hosts could not be read.
    HostsUnread = "hosts_unread", "the hosts could not be read";
}

impl WaitReason {
    /// Returns true if more hosts, or the policy's next decisions, can start the frames. Other reasons stay until
    /// somebody changes a cap, a limit, a host or a row.
    pub const fn is_for_hosts(self) -> bool {
        matches!(
            self,
            Self::CanRun
                | Self::Capacity
                | Self::NoFit
                | Self::Share
                | Self::Order
                | Self::Trial
                | Self::Reserved
                | Self::ReservedForOther
                | Self::GpuProtected
                | Self::HostsBackOff
        )
    }
}

impl std::fmt::Display for WaitReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_a_code_of_its_own_in_snake_case() {
        let codes = WaitReason::ALL.iter().map(|reason| reason.code());
        let codes: HashSet<&str> = codes.collect();
        assert_eq!(codes.len(), WaitReason::ALL.len());
        let is_snake = |code: &&str| code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(codes.iter().all(is_snake));
        assert!(
            WaitReason::ALL
                .iter()
                .all(|reason| !reason.words().is_empty())
        );
    }
}
