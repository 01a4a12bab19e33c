//! Tags: free text on hosts, alternatives on layers.
//!
//! A layer's tags are one text of alternatives joined by `|`; a host's tags are rows. They match
//! when one whole tag is in both: exact and case-sensitive, blanks around a tag trimmed
//! (design choice between Cuebot's regular expression and the retired scheduler's array overlap;
//! contract, 13.3 item 17).

use std::fmt;
use std::sync::Arc;

/// One tag. Cloning is a reference count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Self {
        Self(text.trim().into())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The four kinds of host tags (`host_tag.str_tag_type`; contract, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagKind {
    /// Set by an operator.
    Manual,
    /// The host's own name.
    Hostname,
    /// Reported by RQD.
    Hardware,
    /// Given by the host's allocation.
    Alloc,
}

impl TagKind {
    /// All kinds, in the order in which clusters of one show are listed.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Hostname, Self::Hardware, Self::Alloc];

    /// The text of `host_tag.str_tag_type`.
    #[must_use]
    pub const fn as_db(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Hostname => "HOSTNAME",
            Self::Hardware => "HARDWARE",
            Self::Alloc => "ALLOC",
        }
    }

    /// The label metrics use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Hostname => "hostname",
            Self::Hardware => "hardware",
            Self::Alloc => "alloc",
        }
    }

    /// Reads `host_tag.str_tag_type`; anything but the four exact texts is no kind, also the
    /// column's default `Hardware`, which no code path of OpenCue writes.
    #[must_use]
    pub fn from_db(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_db() == text)
    }
}

/// Splits a layer's `str_tags` into its alternatives; empty ones are dropped.
#[must_use]
pub fn alternatives(text: &str) -> Vec<Tag> {
    text.split('|')
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(Tag::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_trimmed_and_never_empty() {
        let tags = alternatives(" general |big mem||  ");
        assert_eq!(tags, [Tag::from("general"), Tag::from("big mem")]);
        assert!(alternatives("").is_empty());
    }

    #[test]
    fn only_the_exact_texts_are_kinds() {
        assert_eq!(TagKind::from_db("HARDWARE"), Some(TagKind::Hardware));
        assert_eq!(TagKind::from_db("Hardware"), None);
    }
}
