//! Settings of the database: its address, the connections to it, and how long it may take.
//!
//! Invariant: there is no default address. A scheduler that books frames in a database nobody named
//! would be worse than one that does not start.

use std::time::Duration;

use secrecy::SecretString;

use super::rules::{Form, Rule, duration, flag, number, text};
use super::topic::topic;

topic! {
    /// Connections to the database.
    Database in "database" {
        /// The PostgreSQL database that Cuebot uses.
        url: SecretString = None, "CUE_DATABASE_URL" or "DATABASE_URL", address();
        /// Connections that may be open at a time.
        pool: u32 = Some("24"), "CUE_DATABASE_POOL", number(1..=1000);
        /// Longest time of one statement. The server ends it then; a server that says nothing is given up a second later.
        statement_timeout: Duration = Some("5s"), "CUE_DATABASE_STATEMENT_TIMEOUT",
            duration(Duration::from_millis(100)..=Duration::from_secs(3600));
        /// Time that a booking waits for a row that another transaction holds, before it is abandoned.
        lock_timeout: Duration = Some("500ms"), "CUE_DATABASE_LOCK_TIMEOUT",
            duration(Duration::from_millis(10)..=Duration::from_secs(300));
        /// End the program when the breaker in front of the database has opened ten times in a row; else keep trying.
        breaker_gives_up: bool = Some("true"), "CUE_DATABASE_BREAKER_GIVES_UP", flag();
        /// The name under which the connections show in `pg_stat_activity`, with a slash and the replica's own name
        /// behind it; replicas see those who share it.
        application_name: String = Some("cue-scheduler"), "CUE_DATABASE_APPLICATION_NAME", name();
    }
}

fn address() -> Rule<SecretString> {
    let known = cue_store::PARAMETERS.join("`, `");
    let allowed = format!(
        "an address such as `postgresql://user:password@host:5432/database`, with what is special in \
         user or password as `%XX` (`%23` for `#`), and behind a `?` only `{known}`"
    );
    let mut rule = Rule::new(Form::Text, allowed, |text| {
        let place = ["postgresql://", "postgres://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))?;
        let is_whole = !place.is_empty() && cue_store::is_readable(text);
        is_whole.then(|| SecretString::from(text))
    });
    rule.absent = Some(SecretString::default());
    rule.secret(cue_store::without_password)
}

/// PostgreSQL cuts off names of more than 63 bytes without a word, and the replica's name has to fit
/// behind this one.
fn name() -> Rule<String> {
    let inner = text();
    let allowed = "a text of at most 32 bytes without a slash";
    Rule::new(Form::Text, allowed, move |text| {
        (inner.parse)(text).filter(|name| name.len() <= 32 && !name.contains('/'))
    })
}
