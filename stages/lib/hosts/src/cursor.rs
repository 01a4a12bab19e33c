//! The host cursor: the hosts that a search finds, page by page.
//!
//! The shard is locked while a page is read, so the caller may do anything between two hosts. A host
//! that changes meanwhile may be missed or seen as it was; lending finds that out.
//!
//! Invariant: the positions ascend.

use std::sync::Arc;
use std::vec::IntoIter;

use parking_lot::Mutex;

use crate::ranked::RankedHost;
use crate::search::{Position, Search};
use crate::shard::Shard;

/// Hosts of a page at most. The first page has one host, because that host is mostly taken.
const LONGEST_PAGE: usize = 64;

/// Hosts of a shard that fit, in order of position.
pub(crate) struct HostCursor<'a> {
    shard: &'a Mutex<Shard>,
    search: &'a Search<'a>,
    after: Option<Position>,
    page: IntoIter<Arc<RankedHost>>,
    /// Hosts of the next page, 0 after the last one.
    next_size: usize,
}

impl<'a> HostCursor<'a> {
    pub(crate) fn new(shard: &'a Mutex<Shard>, search: &'a Search<'a>) -> Self {
        Self {
            shard,
            search,
            after: None,
            page: Vec::new().into_iter(),
            next_size: 1,
        }
    }
}

impl Iterator for HostCursor<'_> {
    type Item = Arc<RankedHost>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 && self.next_size > 0 {
            let page = self
                .shard
                .lock()
                .page(self.search, self.after, self.next_size);
            self.after = page.last().map(|last| self.search.position(last));
            let is_full = page.len() == self.next_size;
            self.next_size = if is_full {
                (self.next_size * 2).min(LONGEST_PAGE)
            } else {
                0
            };
            self.page = page.into_iter();
        }
        self.page.next()
    }
}
