//! Identifiers of rows, kept as the database spells them.
//!
//! An id is text and stays text: seed rows of OpenCue carry upper-case hex, and an id that is
//! parsed and printed back would no longer match its own row (contract, 13.3 item 26).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

/// The primary key of a row of kind `K`. Cloning is a reference count.
pub struct Id<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

/// Names the kinds of rows an [`Id`] can point at.
pub mod kind {
    /// A row of `facility`.
    pub enum Facility {}
    /// A row of `show`.
    pub enum Show {}
    /// A row of `alloc`.
    pub enum Alloc {}
    /// A row of `folder`.
    pub enum Folder {}
    /// A row of `dept`.
    pub enum Dept {}
    /// A row of `job`.
    pub enum Job {}
    /// A row of `layer`.
    pub enum Layer {}
    /// A row of `frame`.
    pub enum Frame {}
    /// A row of `host`.
    pub enum Host {}
    /// A row of `proc`.
    pub enum Proc {}
    /// A row of `limit_record`.
    pub enum Limit {}
}

/// Id of a facility.
pub type FacilityId = Id<kind::Facility>;
/// Id of a show.
pub type ShowId = Id<kind::Show>;
/// Id of an allocation.
pub type AllocId = Id<kind::Alloc>;
/// Id of a folder.
pub type FolderId = Id<kind::Folder>;
/// Id of a department.
pub type DeptId = Id<kind::Dept>;
/// Id of a job.
pub type JobId = Id<kind::Job>;
/// Id of a layer.
pub type LayerId = Id<kind::Layer>;
/// Id of a frame.
pub type FrameId = Id<kind::Frame>;
/// Id of a host.
pub type HostId = Id<kind::Host>;
/// Id of a proc; RQD calls it the resource id.
pub type ProcId = Id<kind::Proc>;
/// Id of a limit record.
pub type LimitId = Id<kind::Limit>;

impl<K> Id<K> {
    /// The id as the database spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K> From<String> for Id<K> {
    fn from(text: String) -> Self {
        Self {
            text: text.into(),
            kind: PhantomData,
        }
    }
}

impl<K> From<&str> for Id<K> {
    fn from(text: &str) -> Self {
        Self {
            text: text.into(),
            kind: PhantomData,
        }
    }
}

// The derives would demand the same traits of `K`, which is only a name.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            kind: PhantomData,
        }
    }
}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::JobId;

    #[test]
    fn an_id_keeps_the_spelling_of_its_row() {
        assert_eq!(JobId::from("AAAA-bb").to_string(), "AAAA-bb");
        assert_ne!(JobId::from("AAAA-bb"), JobId::from("aaaa-bb"));
    }
}
