//! Tags: free text on hosts, alternatives on layers.
//!
//! A layer's tags are one text of alternatives joined by `|`; a host's tags are rows. They match
//! when one whole tag is in both: exact and case-sensitive, spaces around a tag trimmed
//! (design choice between Cuebot's regular expression and the retired scheduler's array overlap)
//! (OPENCUE.md, Tags and clusters).
//!
//! Invariant: a blank is a space and nothing else, here and in SQL, because OpenCue's index on tags leaves out spaces
//! alone. A tab is a part of its tag.

use std::fmt;
use std::sync::Arc;

/// One tag. Cloning is a reference count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Self {
        Self(text.trim_matches(' ').into())
    }
}

impl fmt::Display for Tag {
    /// Signs that nobody would see are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.chars() {
            match sign.is_control() {
                true => write!(f, "{}", sign.escape_default())?,
                false => write!(f, "{sign}")?,
            }
        }
        Ok(())
    }
}

/// Splits a layer's `str_tags` into its alternatives; empty ones are dropped.
pub fn alternatives(text: &str) -> Vec<Tag> {
    text.split('|')
        .map(Tag::from)
        .filter(|tag| !tag.as_str().is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_trimmed_and_never_empty() {
        let tags = alternatives(" general |big mem||  ");
        assert_eq!(tags, [Tag::from("general"), Tag::from("big mem")]);
        let tags = alternatives("a\t|\n b | \u{a0}c");
        assert_eq!(tags[0].as_str(), "a\t");
        let shown: Vec<String> = tags.iter().map(Tag::to_string).collect();
        assert_eq!(shown, ["a\\t", "\\n b", "\u{a0}c"]);
        assert!(alternatives("").is_empty());
    }
}
