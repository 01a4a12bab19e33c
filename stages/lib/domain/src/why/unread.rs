//! Facts that could not be read, and that an answer names.

/// A fact that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The fact.
    pub fact: Fact,
    /// The error.
    pub error: String,
}

/// A fact that an answer can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The hosts that may be booked.
    Hosts,
    /// Hosts that have the tags which no open host has.
    TaggedHosts,
    /// Hosts whose ledger differs from what their procs leave.
    Ledgers,
    /// Waiting frames by count.
    Counters,
    /// Rows that other sessions hold.
    Locks,
}

impl Fact {
    const fn name(self) -> &'static str {
        match self {
            Self::Hosts => "The hosts",
            Self::TaggedHosts => "The hosts with its tags that are not open",
            Self::Ledgers => "The ledgers of the hosts",
            Self::Counters => "The number of its waiting frames",
            Self::Locks => "The locks of other sessions",
        }
    }
}

/// A sentence for each fact that could not be read, with a blank before it.
pub(super) fn sentences(unread: &[Unread]) -> String {
    let sentence = |unread: &Unread| {
        let (fact, error) = (unread.fact.name(), &unread.error);
        format!(" {fact} could not be read: {error}.")
    };
    unread.iter().map(sentence).collect()
}
