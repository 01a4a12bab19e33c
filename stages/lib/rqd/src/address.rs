//! Addresses of hosts.
//!
//! A template makes the address from the host's name and the one RQD port of the farm. A template
//! without `{host}` sends every host to one address: a proxy, or a simulated farm, which distinguishes
//! hosts by a header. A template that was parsed always has a port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use http::uri::{Authority, InvalidUri};

const HOST: &str = "{host}";
const PORT: &str = "{port}";

/// Template of addresses: `{host}` is the name of the host, `{port}` is RQD's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTemplate(String);

impl AddressTemplate {
    /// The address of `host`.
    ///
    /// # Errors
    /// The name cannot stand in an address.
    pub fn resolve(&self, host: &str, port: u16) -> Result<Address, AddressError> {
        // A name can be a literal IPv6 address, whose colons would read as a port.
        let host = match host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => host.to_owned(),
        };
        // The port goes in first: nothing in a host's name is taken for a placeholder.
        let text = self
            .0
            .replace(PORT, &port.to_string())
            .replacen(HOST, &host, 1);
        check(&text)?;
        Ok(Address(text.into()))
    }
}

impl Default for AddressTemplate {
    fn default() -> Self {
        Self(format!("{HOST}:{PORT}"))
    }
}

impl FromStr for AddressTemplate {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let tail = &rest[open..];
            let end = tail.find('}').map_or(tail.len(), |close| close + 1);
            let (placeholder, after) = tail.split_at(end);
            if placeholder != HOST && placeholder != PORT {
                return Err(AddressError::Placeholder(placeholder.to_owned()));
            }
            rest = after;
        }
        if text.matches(HOST).count() > 1 {
            return Err(AddressError::TwoHosts);
        }
        let template = Self(text.to_owned());
        template.resolve("host", 1)?;
        Ok(template)
    }
}

impl fmt::Display for AddressTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A `name:port` that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The port at its end.
    pub(crate) fn port(&self) -> Option<u16> {
        let (_, port) = self.0.rsplit_once(':')?;
        port.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Faults of an address or a template.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// There is no text.
    #[error("the address is empty; write for example {{host}}:{{port}}")]
    Empty,
    /// Braces that are neither of the two placeholders.
    #[error("`{0}` is not a placeholder; {{host}} and {{port}} are")]
    Placeholder(String),
    /// `{host}` twice.
    #[error("an address names {{host}} at most once")]
    TwoHosts,
    /// No port.
    #[error("`{0}` has no port; end it with :{{port}} or with a number")]
    NoPort(String),
    /// Not of the form `name:port`.
    #[error("`{text}` is not an address of the form name:port")]
    Form {
        /// The text.
        text: String,
        /// The parser's error.
        #[source]
        source: InvalidUri,
    },
    /// A user in front of the name.
    #[error("`{0}` names a user; an address is only name:port")]
    User(String),
}

fn check(text: &str) -> Result<(), AddressError> {
    let authority: Authority = text.parse().map_err(|source| AddressError::Form {
        text: text.to_owned(),
        source,
    })?;
    if text.contains('@') {
        return Err(AddressError::User(text.to_owned()));
    }
    match authority.port_u16() {
        Some(_) if !authority.host().is_empty() => Ok(()),
        _ => Err(AddressError::NoPort(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(template: &str, host: &str) -> String {
        let template: AddressTemplate = template.parse().unwrap();
        template.resolve(host, 8444).unwrap().to_string()
    }

    #[test]
    fn host_and_port_are_put_in() {
        assert_eq!(resolved("{host}:{port}", "render01"), "render01:8444");
        assert_eq!(
            resolved("{host}.farm.example:9000", "render01"),
            "render01.farm.example:9000"
        );
        assert_eq!(resolved("{host}:{port}", "10.0.0.7"), "10.0.0.7:8444");
        assert_eq!(resolved("{host}:{port}", "::1"), "[::1]:8444");
        assert_eq!(AddressTemplate::default().to_string(), "{host}:{port}");
    }

    #[test]
    fn without_a_host_all_hosts_share_one_address() {
        let template: AddressTemplate = "proxy:{port}".parse().unwrap();
        assert_eq!(
            template.resolve("a", 1).unwrap(),
            template.resolve("b", 1).unwrap()
        );
    }

    #[test]
    fn what_is_no_template_is_refused_by_its_fault() {
        let fault = |text: &str| text.parse::<AddressTemplate>().unwrap_err();
        assert!(matches!(fault(""), AddressError::Empty));
        assert!(matches!(fault("{name}:{port}"), AddressError::Placeholder(p) if p == "{name}"));
        assert!(matches!(fault("{host"), AddressError::Placeholder(p) if p == "{host"));
        assert!(matches!(fault("host}:1"), AddressError::Placeholder(_)));
        assert!(matches!(fault("{host}"), AddressError::NoPort(_)));
        assert!(matches!(fault("{host}{host}:1"), AddressError::TwoHosts));
        assert!(matches!(
            fault("http://{host}:{port}"),
            AddressError::Form { .. }
        ));
        assert!(matches!(
            fault("{host}:{port}/x"),
            AddressError::Form { .. }
        ));
        assert!(matches!(fault("root@{host}:{port}"), AddressError::User(_)));
        assert!(matches!(fault("{host}:99999"), AddressError::NoPort(_)));
    }

    #[test]
    fn a_name_that_is_no_name_is_refused_when_it_is_used() {
        let template = AddressTemplate::default();
        for name in ["", "two words", "a/b", "a:b", "a@b"] {
            assert!(template.resolve(name, 8444).is_err(), "{name}");
        }
        let odd = template.resolve("{port}", 8444);
        assert!(odd.is_err(), "a name is not searched for placeholders");
    }
}
