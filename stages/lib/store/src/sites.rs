//! Facilities, and the tags of their hosts.

use cue_domain::{CarriedTags, Tag};

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{CARRIED_TAGS, KNOWN_FACILITIES, query};

impl Store {
    /// The tags that hosts carry, by allocation.
    pub async fn carried_tags(&self) -> Result<CarriedTags, StoreError> {
        let query = query(&CARRIED_TAGS);
        let rows = self.fetch(&CARRIED_TAGS, query).await?;
        let by_alloc = rows.iter().map(|row| {
            // A tag that cannot be read matches no layer's.
            let tags = row.all_shown("tags")?;
            let tags = tags.iter().map(|tag| Tag::from(tag.as_str())).collect();
            Ok((row.id("pk_alloc")?, tags))
        });
        by_alloc.collect()
    }

    /// The names of all facilities, in order.
    pub async fn known_facilities(&self) -> Result<Vec<String>, StoreError> {
        let query = query(&KNOWN_FACILITIES);
        let rows = self.fetch(&KNOWN_FACILITIES, query).await?;
        let names = rows.iter().map(|row| row.shown("str_name"));
        names.collect()
    }
}
