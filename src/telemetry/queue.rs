//! The entrance to the exporter's queue: what does not fit is left out, and counted.
//!
//! The queue itself leaves spans out without a number that anybody could chart. So its places are given
//! out here, and given back when a batch is taken out of it. Invariant: never more places are taken than
//! the queue has, so it refuses no span that has one, and every span is either exported or counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::counts::Counts;

/// The places of a queue. Copies share them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self {
            taken: Arc::default(),
            most,
        }
    }

    /// Takes a place, if there is one.
    fn take(&self) -> bool {
        let free = self.taken.fetch_add(1, Ordering::AcqRel) < self.most;
        if !free {
            self.give_back(1);
        }
        free
    }

    /// Gives places back.
    pub(super) fn give_back(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::AcqRel);
    }

    /// Whether nothing waits.
    pub(super) fn all_free(&self) -> bool {
        self.taken.load(Ordering::Acquire) == 0
    }
}

/// A span processor in front of the one that has the queue.
#[derive(Debug)]
pub(super) struct Entrance<P> {
    next: P,
    places: Places,
    counts: Counts,
}

impl<P> Entrance<P> {
    pub(super) const fn new(next: P, places: Places, counts: Counts) -> Self {
        Self {
            next,
            places,
            counts,
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for Entrance<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.places.take() {
            self.next.on_end(span);
        } else {
            self.counts.leave_out();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_said() {
        let places = Places::new(2);
        assert!(places.take() && places.take());
        assert!(!places.take(), "a third place");
        places.give_back(1);
        assert!(places.take());
        assert!(!places.all_free());
        places.give_back(2);
        assert!(places.all_free());
    }
}
