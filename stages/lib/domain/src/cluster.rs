//! Clusters: the unit whose turn it is.

use std::fmt;
use std::sync::Arc;

use crate::ids::{FacilityId, ShowId};

/// Identity of a cluster: a show's work in one facility.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey {
    /// Facility whose jobs and hosts are joined.
    pub facility: FacilityId,
    /// Show whose jobs are served.
    pub show: ShowId,
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

impl fmt::Display for Cluster {
    /// `facility/show`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.facility_name, self.show_name)
    }
}
