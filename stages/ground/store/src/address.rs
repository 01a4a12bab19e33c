//! The address of a database: whether it can be read, whole.
//!
//! Invariant: nothing in it is ignored. Of a parameter that it does not know the driver says no more
//! than a line in the log, and a misspelt `sslmode` would switch off what it asks for.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The parameters that may stand behind the `?` of an address. Some have a second spelling, with
/// hyphens, that is allowed too.
pub const PARAMETERS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// Those that are in no list of ours, because nobody needs them here.
const ALSO: [&str; 7] = [
    "ssl-mode",
    "ssl-root-cert",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "statement-cache-capacity",
    "application_name",
];

/// Whether an address can be read, and each of its parameters means something.
#[must_use]
pub fn is_readable(url: &str) -> bool {
    let parameters = url.split_once('?').map_or("", |(_, rest)| rest);
    let mut names = parameters
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    let known = |name: &str| PARAMETERS.contains(&name) || ALSO.contains(&name);
    names.all(|name| known(name) || name.starts_with("options["))
        && PgConnectOptions::from_str(url).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_would_ignore_or_not_read_is_not_an_address() {
        for good in [
            "postgres://cue:secret@db.example:5432/cuebot",
            "postgresql://cue:p%23ss@db/cuebot?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres:///cuebot?host=/run/postgresql&options[search_path]=cue",
        ] {
            assert!(is_readable(good), "{good}");
        }
        for bad in [
            "postgres://cue:p#ss@db/cuebot",
            "postgres://cue@db:54a2/cuebot",
            "postgres://cue@db/cuebot?sslmode=verify_full",
            "postgres://cue@db/cuebot?sslmod=verify-full",
            "postgres://cue@db/cuebot?pasword=secret",
        ] {
            assert!(!is_readable(bad), "{bad}");
        }
    }
}
