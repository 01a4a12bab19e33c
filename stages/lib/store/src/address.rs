//! The address of a database: its reading, and its spelling without a password.
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

/// Returns true if an address can be read and each of its parameters means something.
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

/// An address as it may be shown: without its password and its parameters. Where it cannot be read, or where a
/// part of it may be a misplaced password, all of it is hidden.
pub fn without_password(url: &str) -> String {
    let shown = || {
        let options = PgConnectOptions::from_str(url).ok()?;
        let plain = |part: &str, signs: &str| {
            let is_plain = |sign: char| sign.is_alphanumeric() || signs.contains(sign);
            part.chars().all(is_plain).then(|| part.to_owned())
        };
        let (scheme, _) = url.split_once("://")?;
        let scheme = plain(scheme, "")?;
        let user = plain(options.get_username(), "-_.")?;
        let database = plain(options.get_database().unwrap_or_default(), "-_.")?;
        let place = match options.get_socket() {
            Some(path) => plain(&path.to_string_lossy(), "-_./")?.replace('/', "%2F"),
            None => format!(
                "{}:{}",
                plain(options.get_host(), "-_.:[]")?,
                options.get_port()
            ),
        };
        Some(format!("{scheme}://{user}:***@{place}/{database}"))
    };
    let readable = is_readable(url).then(shown).flatten();
    readable.unwrap_or_else(|| "***".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgresql://u:pw@h:5432/d", "postgresql://u:***@h:5432/d"),
            (
                "postgres://u@h/d?password=pw&sslmode=require",
                "postgres://u:***@h:5432/d",
            ),
            (
                "postgresql://u:p%2Fw@[::1]:54/d",
                "postgresql://u:***@[::1]:54/d",
            ),
            (
                "postgresql:///d?host=/run/pg&user=u",
                "postgresql://u:***@%2Frun%2Fpg/d",
            ),
            ("postgresql://u:pw/d", "***"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    /// Every spelling with each password, also those that people get wrong.
    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        let spellings = [
            "postgresql://u:PW@h:5432/d",
            "postgresql://u:a@PW@h/d",
            "postgresql://u:PW/d",
            "postgresql://u:PW",
            "POSTGRES://u:PW@h",
            "postgresql://u@v:PW@h/d",
            "postgresql://u:PW@[::1]:5432/d",
            "postgresql://[::1]:PW/d",
            "postgresql://h:5432/u:PW",
            "postgresql://u%3APW@h/d",
            "postgresql://u PW@h/d",
            "postgresql://h/d?password=PW",
            "postgresql://h/d?password=a@PW",
            "postgresql://h/d?PassWord=PW&sslmode=prefer",
            "postgresql://h/d?pass%77ord=PW",
            "postgresql://h/d?sslmode=x?password=PW",
            "postgresql://h/d?user=u:5432&password=PW@h",
            "postgresql://h/d?PW",
            "postgresql:u:PW@h/d",
            "u:PW@h/d",
            "u:PW@postgresql://h/d",
            "host=h user=u password=PW",
            "PW",
        ];
        let passwords = [
            "secret",
            "se/cret",
            "se#cret",
            "se:cret",
            "sé cret",
            "se?cret",
            "54321cret",
        ];
        for spelling in spellings {
            for password in passwords {
                let url = spelling.replace("PW", password);
                let shown = without_password(&url);
                assert!(!shown.contains("cret"), "{url} is shown as {shown}");
            }
        }
    }

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
