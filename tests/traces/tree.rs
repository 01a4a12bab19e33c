//! A trace, put together again from the spans that arrived.
//!
//! Invariant: a [`Trace`] has one root, and every other span of it has its parent in it.

use std::collections::BTreeMap;
use std::fmt;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Wire;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

/// A span that arrived.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    pub kind: SpanKind,
    /// Nanoseconds since the epoch.
    pub start: u64,
    pub end: u64,
    /// Description of the failure, if the span failed.
    pub error: Option<String>,
    pub attributes: BTreeMap<String, String>,
    /// Those of the attributes that are numbers, and not texts that look like one.
    pub numbers: BTreeMap<String, i64>,
    pub resource: BTreeMap<String, String>,
}

impl Span {
    pub fn new(span: Wire, resource: &[KeyValue]) -> Self {
        let kind = span.kind();
        let status = span.status.unwrap_or_default();
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            links: span.links.iter().map(link).collect(),
            kind,
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
            error: (status.code() == StatusCode::Error).then_some(status.message),
            attributes: texts(&span.attributes),
            numbers: numbers(&span.attributes),
            resource: texts(resource),
            name: span.name,
        }
    }

    /// An attribute, as text; one that is missing ends the test.
    pub fn attribute(&self, name: &str) -> &str {
        match self.attributes.get(name) {
            Some(text) => text,
            None => panic!("{} has no {name}: {:?}", self.name, self.attributes),
        }
    }

    /// An attribute that was sent as a number: a text that looks like one cannot be compared in a query.
    pub fn number(&self, name: &str) -> i64 {
        match self.numbers.get(name) {
            Some(number) => *number,
            None => panic!("{}: {name} is no number: {:?}", self.name, self.attributes),
        }
    }

    /// The W3C header of this span.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }
}

/// The trace of a turn, its spans in the order of their beginning.
#[derive(Clone, Debug)]
pub struct Trace(Vec<Span>);

impl Trace {
    /// The traces whose root is there.
    pub fn all(spans: &[Span]) -> Vec<Self> {
        let roots = spans
            .iter()
            .filter(|span| span.name == "turn" && span.parent.is_empty());
        let of = |root: &Span| {
            let mut own: Vec<Span> = spans
                .iter()
                .filter(|span| span.trace == root.trace)
                .cloned()
                .collect();
            own.sort_by_key(|span| (span.start, span.name != "turn"));
            Self(own)
        };
        roots.map(of).collect()
    }

    /// Number of spans.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn root(&self) -> &Span {
        self.only("turn")
    }

    pub fn named(&self, name: &str) -> Vec<&Span> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    pub fn only(&self, name: &str) -> &Span {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "{name} must be once in\n{self}");
        found[0]
    }

    /// The names of what happened under a span, in order.
    pub fn under(&self, parent: &Span) -> Vec<&str> {
        self.children(parent).map(|span| &*span.name).collect()
    }

    /// The stages below the root, without the waits before them and the record of what was launched.
    pub fn stages(&self) -> Vec<&str> {
        let mut under = self.under(self.root());
        under.retain(|name| !["queue", "room", "acknowledge"].contains(name));
        under
    }

    pub fn children(&self, parent: &Span) -> impl Iterator<Item = &Span> {
        let id = parent.id.clone();
        self.0.iter().filter(move |span| span.parent == id)
    }

    /// Spans that failed.
    pub fn failed(&self) -> Vec<&Span> {
        self.0.iter().filter(|span| span.error.is_some()).collect()
    }

    /// Checks what is so in every trace: one root, no orphan, children inside their parents, and
    /// numbers sent as numbers.
    pub fn assert_sound(&self) {
        for span in &self.0 {
            for (name, text) in &span.attributes {
                let is_text = ["cue.frame.name", "db.response.status_code"].contains(&&**name);
                let is_number = span.numbers.contains_key(name);
                assert!(
                    is_text || is_number || text.parse::<f64>().is_err(),
                    "{}: {name}={text} was sent as a text",
                    span.name
                );
            }
        }
        let roots: Vec<_> = self.0.iter().filter(|s| s.parent.is_empty()).collect();
        assert_eq!(roots.len(), 1, "one root in\n{self}");
        for span in self.0.iter().filter(|span| !span.parent.is_empty()) {
            let parent = self.0.iter().find(|other| other.id == span.parent);
            let Some(parent) = parent else {
                panic!("{} has lost its parent in\n{self}", span.name)
            };
            assert!(
                parent.start <= span.start && span.end <= parent.end,
                "{} reaches out of {} in\n{self}",
                span.name,
                parent.name
            );
        }
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, span: &Span, depth: usize) -> fmt::Result {
        let ms = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
        let began = ms(self.root().start, span.start);
        let name = format!("{}{}", "  ".repeat(depth), span.name);
        write!(
            f,
            "{name:<24} {began:>8.2} {:>8.2} ms ",
            ms(span.start, span.end)
        )?;
        let ours = span.attributes.iter().filter(|(name, _)| !is_routine(name));
        for (name, text) in ours {
            write!(f, " {name}={text}")?;
        }
        if let Some(error) = &span.error {
            write!(f, "  ERROR: {error}")?;
        }
        writeln!(f)?;
        for child in self.children(span) {
            self.draw(f, child, depth + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>8} {:>8}", "span", "began", "took")?;
        self.draw(f, self.root(), 0)
    }
}

/// Returns true for attributes that are alike on all spans of a kind and only distract a reader.
fn is_routine(name: &str) -> bool {
    [
        "db.system",
        "db.namespace",
        "db.query",
        "rpc.system",
        "code.",
        "target",
        "server.port",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|pair| (pair.key.clone(), text(pair.value.clone())))
        .collect()
}

fn numbers(attributes: &[KeyValue]) -> BTreeMap<String, i64> {
    let number = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => Some((pair.key.clone(), *number)),
        _ => None,
    };
    attributes.iter().filter_map(number).collect()
}

fn link(link: &Link) -> (String, String) {
    (hex(&link.trace_id), hex(&link.span_id))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
