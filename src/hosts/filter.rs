//! Filter of hosts, as the query of a path has it.

use serde::Deserialize;

use crate::status::HostState;

/// Hosts of a page without `limit`.
const USUAL: usize = 200;

/// Hosts of a page, at most.
const MOST: usize = 5_000;

/// The hosts that are asked for, and the page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostFilter {
    /// Tag that they carry.
    pub tag: Option<String>,
    /// Their allocation.
    pub allocation: Option<String>,
    /// Their state.
    pub state: Option<HostState>,
    /// Part of their names.
    pub name: Option<String>,
    /// Name after which the page begins.
    pub after: Option<String>,
    /// Hosts of the page.
    pub limit: Option<usize>,
    /// Version of the names that the asker knows, of a map.
    pub known: Option<String>,
}

impl HostFilter {
    /// Hosts of the page, at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }

    /// Returns true for a host with this name, allocation, state and tags.
    pub(super) fn admits<'t>(
        &self,
        (name, allocation): (&str, &str),
        state: HostState,
        mut tags: impl Iterator<Item = &'t str>,
    ) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        self.state.is_none_or(|wanted| wanted == state)
            && is(&self.allocation, allocation)
            && self.name.as_deref().is_none_or(|part| name.contains(part))
            && self
                .tag
                .as_deref()
                .is_none_or(|tag| tags.any(|found| found == tag))
    }

    /// Path with this filter as its query.
    pub(crate) fn path(&self, path: &str) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let state = self.state.map(|state| state.code().to_owned());
        let parts = [
            ("tag", &self.tag),
            ("allocation", &self.allocation),
            ("state", &state),
            ("name", &self.name),
            ("after", &self.after),
            ("limit", &limit),
        ];
        let parts = parts.iter().filter_map(|(key, value)| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            Some(format!("{key}={}", crate::client::encoded(value)))
        });
        let query = parts.collect::<Vec<_>>().join("&");
        if query.is_empty() {
            return path.to_owned();
        }
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_a_path() {
        let filter = HostFilter {
            tag: Some("gpu & co".to_owned()),
            state: Some(HostState::BackingOff),
            limit: Some(7),
            ..HostFilter::default()
        };
        let path = filter.path("/hosts");
        assert_eq!(path, "/hosts?tag=gpu%20%26%20co&state=backing_off&limit=7");
        assert_eq!(HostFilter::default().path("/hosts"), "/hosts");
    }

    #[test]
    fn each_part_of_a_filter_leaves_hosts_out() {
        let text = |text: &str| Some(text.to_owned());
        let admits = |filter: &HostFilter| {
            let tags = ["gpu", "general"].into_iter();
            filter.admits(("node17", "yard.general"), HostState::Full, tags)
        };
        let none = HostFilter::default;
        for (filter, admitted) in [
            (none(), true),
            (
                HostFilter {
                    tag: text("gpu"),
                    ..none()
                },
                true,
            ),
            (
                HostFilter {
                    tag: text("gp"),
                    ..none()
                },
                false,
            ),
            (
                HostFilter {
                    name: text("de1"),
                    ..none()
                },
                true,
            ),
            (
                HostFilter {
                    name: text("node2"),
                    ..none()
                },
                false,
            ),
            (
                HostFilter {
                    allocation: text("yard.general"),
                    ..none()
                },
                true,
            ),
            (
                HostFilter {
                    allocation: text("general"),
                    ..none()
                },
                false,
            ),
            (
                HostFilter {
                    state: Some(HostState::Full),
                    ..none()
                },
                true,
            ),
            (
                HostFilter {
                    state: Some(HostState::Idle),
                    ..none()
                },
                false,
            ),
        ] {
            assert_eq!(admits(&filter), admitted, "{filter:?}");
        }
    }
}
