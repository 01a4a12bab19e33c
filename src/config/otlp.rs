//! The connection to an OTLP collector: values and rules that traces and metrics share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::rules::{Form, Rule, choice, elements};

/// Protocol of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP as protobuf over HTTP.
    Http,
}

pub(super) const PROTOCOLS: [(&str, Protocol); 2] =
    [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::Http)];

/// Destination of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exporter {
    /// An OTLP collector, if there is the address of one.
    Otlp,
    /// None.
    None,
}

/// Compression of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip.
    Gzip,
}

pub(super) const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];

/// Settings of the connection for one signal.
#[derive(Clone, Copy, Debug)]
pub struct Otlp<'a> {
    /// Protocol of the export.
    pub protocol: Protocol,
    /// Headers of every message.
    pub headers: &'a [(String, SecretString)],
    /// Compression of messages.
    pub compression: Compression,
    /// Authorities to trust.
    pub certificate: Option<&'a Path>,
    /// Client certificate.
    pub client_certificate: Option<&'a Path>,
    /// Private key of the client certificate.
    pub client_key: Option<&'a Path>,
    /// Timeout of one message.
    pub timeout: Duration,
}

/// Implements `otlp` for the topic of a signal, whose fields have the names of [`Otlp`].
macro_rules! otlp {
    ($topic:ty) => {
        impl $topic {
            /// Settings of the connection to the collector.
            #[must_use]
            pub fn otlp(&self) -> $crate::config::Otlp<'_> {
                $crate::config::Otlp {
                    protocol: self.protocol,
                    headers: &self.headers,
                    compression: self.compression,
                    certificate: self.certificate.as_deref(),
                    client_certificate: self.client_certificate.as_deref(),
                    client_key: self.client_key.as_deref(),
                    timeout: self.timeout,
                }
            }
        }
    };
}

pub(super) use otlp;

/// Rule for one of a few words. OpenTelemetry compares them without regard to case.
pub(super) fn word<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Rule<T> {
    let written = choice(words);
    let allowed = format!("{}, in upper or lower case", written.allowed);
    Rule::new(Form::Text, allowed, move |text| {
        (written.parse)(&text.to_ascii_lowercase())
    })
}

pub(super) fn collector() -> Rule<String> {
    let allowed =
        "an `http://` or `https://` address of an OTLP port, such as `http://localhost:4317`";
    Rule::new(Form::Text, allowed, |text| {
        let authority = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))?;
        (!authority.is_empty() && text.parse::<axum::http::Uri>().is_ok()).then(|| text.to_owned())
    })
}

/// Rule for an address to which a path can be appended.
pub(super) fn base() -> Rule<String> {
    let mut rule = collector();
    let any = rule.parse;
    rule.allowed = format!("{}, without `?`", rule.allowed);
    rule.parse = Box::new(move |text| any(text).filter(|text| !text.contains('?')));
    rule
}

pub(super) fn file() -> Rule<PathBuf> {
    Rule::new(Form::Text, "the path of a file", |text| {
        (!text.is_empty()).then(|| PathBuf::from(text))
    })
}

const PAIRS: &str = "`name=value` pairs separated by commas, other signs as `%2C`";

pub(super) fn attributes() -> Rule<Vec<(String, String)>> {
    Rule::new(Form::List, PAIRS, |text| {
        elements(text).map(pair).collect::<Option<_>>()
    })
}

pub(super) fn headers() -> Rule<Vec<(String, SecretString)>> {
    let rule = Rule::new(Form::List, PAIRS, |text| {
        let sent = elements(text).map(|text| {
            let (name, value) = pair(text)?;
            let is_header = axum::http::HeaderName::try_from(&name).is_ok()
                && axum::http::HeaderValue::try_from(&value).is_ok();
            is_header.then(|| (name.to_ascii_lowercase(), SecretString::from(value)))
        });
        sent.collect::<Option<_>>()
    });
    // Names are not secret, and a mistake may be in them.
    rule.secret(|text| {
        let masked = elements(text).map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{}=***", name.trim()),
            None => "***".to_owned(),
        });
        masked.collect::<Vec<_>>().join(",")
    })
}

/// Name and value of a pair, both percent-decoded.
fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let plain = |text: &str| {
        let decoded = percent_decode_str(text.trim()).decode_utf8();
        decoded.ok().map(std::borrow::Cow::into_owned)
    };
    let name = plain(name)?;
    (!name.is_empty()).then_some((name, plain(value)?))
}
