//! What is decided about a trace when it begins.
//!
//! A ratio chooses among turns here, as everywhere in OpenTelemetry, so that the hosts and renders
//! that join a trace are told the truth about it. A turn that is not chosen may still turn out slow
//! or failed; its spans are recorded, not sampled, and the tail filter has the last word. Invariant:
//! what nobody could ever keep is not recorded.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler as Sdk, SamplingDecision, SamplingResult, ShouldSample};

use super::tail::ROOT;
use crate::config::{Sampler, Telemetry};

/// The sampler that the settings ask for.
#[derive(Clone, Debug)]
pub(super) struct Head {
    chooses: Sdk,
    /// Whether turns that are not chosen are recorded.
    records: bool,
}

impl Head {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let share = Sdk::TraceIdRatioBased(telemetry.sampler_arg.unwrap_or(1.0));
        let parent_based = |root| Sdk::ParentBased(Box::new(root));
        let (chooses, is_ratio) = match telemetry.sampler {
            Sampler::AlwaysOn => (Sdk::AlwaysOn, false),
            Sampler::AlwaysOff => (Sdk::AlwaysOff, false),
            Sampler::TraceIdRatio => (share, true),
            Sampler::ParentBasedAlwaysOn => (parent_based(Sdk::AlwaysOn), false),
            Sampler::ParentBasedAlwaysOff => (parent_based(Sdk::AlwaysOff), false),
            Sampler::ParentBasedTraceIdRatio => (parent_based(share), true),
        };
        // Who switches traces off wants none at all; a ratio is about the ordinary ones.
        let records = is_ratio && (telemetry.keep_failed || telemetry.keep_slow.is_some());
        Self { chooses, records }
    }

    /// Whether the span is a turn, or happens in one that is recorded.
    fn is_recorded(&self, parent: Option<&Context>, name: &str) -> bool {
        let parent = parent.filter(|parent| parent.span().span_context().is_valid());
        self.records && parent.map_or(name == ROOT, |parent| parent.span().is_recording())
    }
}

impl ShouldSample for Head {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self
            .chooses
            .should_sample(parent, trace, name, kind, attributes, links);
        if result.decision == SamplingDecision::Drop && self.is_recorded(parent, name) {
            result.decision = SamplingDecision::RecordOnly;
        }
        result
    }
}
