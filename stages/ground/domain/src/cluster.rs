//! Clusters: the unit whose turn it is.

use std::fmt;
use std::sync::Arc;

use crate::ids::{FacilityId, ShowId};
use crate::tags::{Tag, TagKind};

/// What makes a cluster that cluster: a facility, a show, and tags of one kind
/// (contract, section 7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey {
    /// The facility whose jobs and hosts it joins.
    pub facility: FacilityId,
    /// The show whose jobs it serves.
    pub show: ShowId,
    /// The kind of its tags.
    pub kind: TagKind,
    /// Its tags, sorted and without duplicates: one for an allocation, a chunk for other kinds.
    pub tags: Arc<[Tag]>,
}

/// A cluster and the names people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its identity.
    pub key: ClusterKey,
    /// `facility.str_name`.
    pub facility_name: Arc<str>,
    /// `show.str_name`.
    pub show_name: Arc<str>,
}

impl Cluster {
    /// Whether a layer with these alternatives is served by this cluster, and by which tags.
    pub fn shared_tags<'a>(&'a self, layer_tags: &'a [Tag]) -> impl Iterator<Item = &'a Tag> {
        self.key.tags.iter().filter(|tag| layer_tags.contains(tag))
    }
}

impl fmt::Display for Cluster {
    /// `facility/show/kind:tag+tag`, cut after three tags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}:",
            self.facility_name,
            self.show_name,
            self.key.kind.label()
        )?;
        for (n, tag) in self.key.tags.iter().take(3).enumerate() {
            write!(f, "{}{tag}", if n == 0 { "" } else { "+" })?;
        }
        let more = self.key.tags.len().saturating_sub(3);
        if more > 0 {
            write!(f, "+{more} more")?;
        }
        Ok(())
    }
}
