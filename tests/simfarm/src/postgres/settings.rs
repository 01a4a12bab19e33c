//! Settings by which a server is found and started. The environment is read here and nowhere else.
//!
//! Invariant: later settings win, so `extra` can override every default.

use std::path::{Path, PathBuf};

use crate::schema::{SchemaError, SchemaSource};

/// Binaries that may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinarySource {
    /// The newest installed ones, else fetched ones.
    #[default]
    InstalledOrFetched,
    /// Fetched ones, even where others are installed.
    Fetched,
}

/// Settings of a [`Server`](super::Server).
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// Binaries that may be used.
    pub binaries: BinarySource,
    /// Lines for `postgresql.conf`, as (name, value) with the value as it stands in the file;
    /// they come after the defaults and override them.
    pub extra: Vec<(String, String)>,
    /// Directory of fetched binaries; nothing means the user's cache directory.
    pub cache_dir: Option<PathBuf>,
}

impl ServerSettings {
    /// The defaults, and fetched binaries if the environment says `CUE_SIMFARM_PG=fetch`.
    #[must_use]
    pub fn from_env() -> Self {
        let fetch = std::env::var_os("CUE_SIMFARM_PG").is_some_and(|value| value == "fetch");
        let binaries = if fetch {
            BinarySource::Fetched
        } else {
            BinarySource::InstalledOrFetched
        };
        Self {
            binaries,
            ..Self::default()
        }
    }

    /// Adds one line for `postgresql.conf`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The value of `DATABASE_URL`, unless it is unset, empty or not text.
pub(super) fn database_url() -> Option<String> {
    let value = std::env::var_os("DATABASE_URL")?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}

/// The schema that databases get: ours, or OpenCue's migrations in the folder that `OPENCUE_MIGRATIONS` names.
pub(super) fn schema_source() -> Result<SchemaSource, SchemaError> {
    let folder = std::env::var_os("OPENCUE_MIGRATIONS").filter(|value| !value.is_empty());
    SchemaSource::of(folder.as_deref().map(Path::new))
}

/// The directories named by `PATH`.
pub(super) fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|p| std::env::split_paths(&p).collect())
        .unwrap_or_default()
}

/// The user's cache directory, if the environment names one.
pub(super) fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}

/// The lines of `postgresql.conf` that suit a server which may lose everything.
///
/// Nothing is synced and checkpoints are hours apart, so that a measurement shows the work of
/// the statements. `GMT` is the one time zone that needs no file.
pub(super) fn config_text(socket_dir: &str, preload: bool, extra: &[(String, String)]) -> String {
    let mut text = format!(
        "unix_socket_directories = '{}'\n",
        socket_dir.replace('\'', "''")
    );
    for (name, value) in DEFAULTS {
        text.push_str(&format!("{name} = {value}\n"));
    }
    if preload {
        text.push_str("shared_preload_libraries = 'pg_stat_statements'\n");
    }
    for (name, value) in extra {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

const DEFAULTS: &[(&str, &str)] = &[
    ("listen_addresses", "'127.0.0.1'"),
    ("max_connections", "200"),
    ("shared_buffers", "'256MB'"),
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "'4GB'"),
    ("checkpoint_timeout", "'1h'"),
    ("track_io_timing", "off"),
    ("timezone", "'GMT'"),
    ("log_timezone", "'GMT'"),
];
