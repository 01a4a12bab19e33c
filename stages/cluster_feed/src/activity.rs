//! What the last scan of the farm found: where there is work.
//!
//! Invariant: a cluster for which a turn would find a job has work here. The reverse need not hold.

use std::collections::HashMap;

use cue_domain::{ClusterKey, FacilityId, ShowId, Tag};
use cue_store::ActiveTags;

/// Something that changes when work comes, as far as a cluster may serve it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Frames that wait.
    waiting: i64,
    /// When the newest job began, in microseconds since 1970.
    newest_us: i64,
}

impl Work {
    const fn and(self, other: Self) -> Self {
        let newest_us = if self.newest_us > other.newest_us {
            self.newest_us
        } else {
            other.newest_us
        };
        Self {
            waiting: self.waiting.wrapping_add(other.waiting),
            newest_us,
        }
    }
}

/// Where there is work.
#[derive(Clone, Debug, Default)]
pub(crate) enum Activity {
    /// Nobody knows, so there may be work for every cluster.
    #[default]
    Unknown,
    /// There, and nowhere else.
    Known(HashMap<(FacilityId, ShowId), HashMap<Tag, Work>>),
}

impl Activity {
    /// What a scan found.
    pub(crate) fn found(rows: Vec<ActiveTags>) -> Self {
        let mut found: HashMap<_, HashMap<Tag, Work>> = HashMap::new();
        for row in rows {
            let work = Work {
                waiting: row.waiting,
                newest_us: row.newest_us,
            };
            let tags = found.entry((row.facility, row.show)).or_default();
            for tag in row.tags {
                let known = tags.entry(tag).or_default();
                *known = known.and(work);
            }
        }
        Self::Known(found)
    }

    /// The work for a cluster; `None` when there is none.
    pub(crate) fn of(&self, cluster: &ClusterKey) -> Option<Work> {
        let Self::Known(found) = self else {
            return Some(Work::default());
        };
        let tags = found.get(&(cluster.facility.clone(), cluster.show.clone()))?;
        cluster
            .tags
            .iter()
            .filter_map(|tag| tags.get(tag).copied())
            .reduce(Work::and)
    }

    /// How many (facility, show, tag) have work, if that is known.
    pub(crate) fn tags(&self) -> Option<usize> {
        match self {
            Self::Unknown => None,
            Self::Known(found) => Some(found.values().map(HashMap::len).sum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cue_domain::TagKind;

    fn row(show: &str, tags: &[&str], waiting: i64, newest_us: i64) -> ActiveTags {
        ActiveTags {
            facility: "f".into(),
            show: show.into(),
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
            waiting,
            newest_us,
        }
    }

    fn key(show: &str, tags: &[&str]) -> ClusterKey {
        ClusterKey {
            facility: "f".into(),
            show: show.into(),
            kind: TagKind::Manual,
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
        }
    }

    #[test]
    fn a_cluster_has_the_work_of_all_its_tags() {
        let activity = Activity::found(vec![
            row("a", &["x", "y"], 3, 10),
            row("a", &["y"], 4, 9),
            row("b", &["z"], 1, 1),
        ]);
        let work = |waiting, newest_us| Some(Work { waiting, newest_us });
        assert_eq!(activity.of(&key("a", &["x"])), work(3, 10));
        assert_eq!(activity.of(&key("a", &["q", "y"])), work(7, 10));
        assert_eq!(activity.of(&key("a", &["z"])), None, "another show's");
        assert_eq!(activity.of(&key("c", &["x"])), None);
        assert_eq!(activity.tags(), Some(3));
    }

    #[test]
    fn as_long_as_nobody_knows_there_may_be_work_everywhere() {
        let activity = Activity::default();
        assert_eq!(activity.of(&key("a", &["x"])), Some(Work::default()));
        assert_eq!(activity.tags(), None);
    }
}
