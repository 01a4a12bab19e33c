//! Names under which the admin server answers.
//!
//! Looking needs no login, so a page of the web must not be able to look. By DNS rebinding such a page has its
//! own name resolve to an address of ours, and the browser then counts our answers as the page's own. The
//! `Host` header gives it away: it holds the foreign name. An IP address there was never resolved.
//! Invariant: a probe or a scrape is refused nothing, whatever name it uses.

use std::net::IpAddr;
use std::sync::Arc;

use super::refusal::refusal;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Paths for machines: they carry no secret, change nothing, and are asked by the name of a service.
const EXEMPT: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The names besides `localhost` under which the server answers. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct HostNames(Arc<[String]>);

/// A reason to refuse a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("send one Host header that is a name or an address, with or without a port")]
    BadHost,
    #[error(
        "this service does not answer under the name {0}: use its IP address or localhost, or add the name to CUE_ADMIN_HOSTS (admin.hosts)"
    )]
    UnknownName(String),
    #[error(
        "a page of {0} may not ask here: open this service's own page, or add the name to CUE_ADMIN_HOSTS (admin.hosts)"
    )]
    ForeignPage(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::BadHost => StatusCode::BAD_REQUEST,
            Self::UnknownName(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignPage(_) => StatusCode::FORBIDDEN,
        };
        refusal(code, self)
    }
}

impl HostNames {
    /// These names, in lower case.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        Self(names.into())
    }

    /// Answers a request, or refuses it.
    pub(super) async fn admit(self, request: Request, next: Next) -> Response {
        let is_exempt = EXEMPT.contains(&request.uri().path());
        match self.check(request.version(), request.uri(), request.headers()) {
            Err(refusal) if !is_exempt => refusal.into_response(),
            _ => next.run(request).await,
        }
    }

    fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) if host.is_empty() => None,
            (Some(host), None) => Some(authority(host.as_bytes()).ok_or(Refusal::BadHost)?),
            // A browser sends a name always; only old tools send none.
            (None, _) if version <= Version::HTTP_10 => None,
            _ => return Err(Refusal::BadHost),
        };
        // A request may name the host in its first line too.
        for named in host.iter().chain(uri.authority()) {
            if !self.answers(named) {
                return Err(Refusal::UnknownName(named.host().to_owned()));
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or("another site");
            let page = origin
                .split_once("://")
                .and_then(|(_, page)| authority(page.as_bytes()));
            let is_ours =
                page.is_some_and(|page| Some(&page) == host.as_ref() || self.lists(page.host()));
            if !is_ours {
                return Err(Refusal::ForeignPage(origin.to_owned()));
            }
        }
        Ok(())
    }

    fn answers(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        address.unwrap_or(host).parse::<IpAddr>().is_ok()
            || plain(host).eq_ignore_ascii_case("localhost")
            || self.lists(host)
    }

    fn lists(&self, host: &str) -> bool {
        self.0
            .iter()
            .any(|name| plain(host).eq_ignore_ascii_case(name))
    }
}

/// A host and its port, if it is that and nothing else.
fn authority(text: &[u8]) -> Option<Authority> {
    let authority = Authority::try_from(text).ok()?;
    let is_host = !authority.host().is_empty() && !authority.as_str().contains('@');
    is_host.then_some(authority)
}

/// A name without the dot that ends a whole one.
fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason to refuse a request with these headers, by a server with one name.
    fn refused(version: Version, uri: &str, headers: &[(&str, &str)]) -> Option<Refusal> {
        let names = HostNames::new(&["farm.example".to_owned()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        names.check(version, &uri.parse().unwrap(), &map).err()
    }

    fn named(host: &str) -> Option<Refusal> {
        refused(Version::HTTP_11, "/", &[("host", host)])
    }

    #[test]
    fn addresses_localhost_and_listed_names_are_answered_with_any_port() {
        for host in [
            "127.0.0.1:9090",
            "10.1.2.3",
            "[::1]:9090",
            "[fd00::1]",
            "localhost:8080",
            "LocalHost.",
            "farm.example:80",
            "Farm.Example.",
            "",
        ] {
            assert_eq!(named(host), None, "{host}");
        }
    }

    #[test]
    fn other_names_are_refused_wherever_they_stand() {
        for host in [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notfarm.example",
            "sub.farm.example",
        ] {
            let name = host.split(':').next().unwrap().to_owned();
            assert_eq!(named(host), Some(Refusal::UnknownName(name)), "{host}");
        }
        let whole = refused(
            Version::HTTP_11,
            "http://evil.example/",
            &[("host", "localhost")],
        );
        assert_eq!(whole, Some(Refusal::UnknownName("evil.example".to_owned())));
    }

    #[test]
    fn a_host_header_is_there_once_and_can_be_read() {
        let bad = Some(Refusal::BadHost);
        for host in ["a b", "me@localhost", "localhost/x", ":80", "[::1"] {
            assert_eq!(named(host), bad, "{host}");
        }
        let twice = [("host", "localhost"), ("host", "localhost")];
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(refused(version, "/", &twice), bad);
        }
        assert_eq!(refused(Version::HTTP_11, "/", &[]), bad);
        assert_eq!(refused(Version::HTTP_10, "/", &[]), None);
    }

    #[test]
    fn only_our_own_page_may_ask() {
        let page = |host: &str, origin: &str| {
            refused(Version::HTTP_11, "/", &[("host", host), ("origin", origin)])
        };
        for (host, origin) in [
            ("localhost:9090", "http://localhost:9090"),
            ("10.0.0.1:9090", "http://10.0.0.1:9090"),
            ("farm.example", "https://farm.example"),
            // A proxy that ends TLS and dials by address.
            ("10.0.0.1:9090", "https://farm.example"),
        ] {
            assert_eq!(page(host, origin), None, "{host} {origin}");
        }
        for (host, origin) in [
            ("localhost:9090", "http://localhost:3000"),
            ("localhost:9090", "https://evil.example"),
            ("10.0.0.1:9090", "http://10.0.0.2:9090"),
            ("localhost:9090", "null"),
        ] {
            let foreign = Some(Refusal::ForeignPage(origin.to_owned()));
            assert_eq!(page(host, origin), foreign, "{host} {origin}");
        }
    }
}
