//! The reason for which a layer is set aside.

use std::sync::Arc;

use crate::wait_reason::WaitReason;

/// The reason for which a layer is set aside. Cloning shares its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setback {
    /// Hosts refused its launches.
    Launch,
    /// The database refused a row of it.
    Refused {
        /// The SQLSTATE, or nothing where the program could not read what the row holds.
        code: Arc<str>,
        /// The server's message.
        message: Arc<str>,
    },
    /// Another session holds a row that its booking needs.
    Held {
        /// Table of the row.
        table: Arc<str>,
        /// The session, as far as it is known.
        holder: Option<Arc<str>>,
    },
    /// A limit of it is full.
    AtLimit,
    /// Its rows do not admit it: it or its job is at a cap or paused, or nothing waits any more.
    NotReady,
    /// No host took a frame of it, though some seemed to have room.
    NoHost,
}

impl Setback {
    /// The reason as a label of metrics and as a code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::Refused { .. } => "refused",
            Self::Held { .. } => "held",
            Self::AtLimit => "limit",
            Self::NoHost => "no_host",
            Self::NotReady => "not_ready",
        }
    }

    /// The reason for which the layer waits; `None` if rows and hosts explain it better.
    pub const fn wait_reason(&self) -> Option<WaitReason> {
        match self {
            Self::Launch | Self::Refused { .. } => Some(WaitReason::Backoff),
            Self::Held { .. } => Some(WaitReason::Held),
            Self::AtLimit => Some(WaitReason::Limit),
            Self::NotReady | Self::NoHost => None,
        }
    }

    /// Returns true if rows and hosts explain it better: it only makes way for other layers for a moment.
    pub const fn makes_way(&self) -> bool {
        matches!(self, Self::AtLimit | Self::NoHost | Self::NotReady)
    }

    /// Returns true if a booking that succeeds refutes it.
    pub const fn is_of_booking(&self) -> bool {
        !matches!(self, Self::Launch)
    }
}
