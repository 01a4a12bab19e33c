//! Which clusters there are, and where there is work for them.

use cue_domain::{FacilityId, ShowId, Tag, TagKind, tags};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements;

/// The tags of one kind in an allocation, and the shows that can be served by each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRow {
    /// The facility.
    pub facility: FacilityId,
    /// Its name.
    pub facility_name: String,
    /// The shows, with their names.
    pub shows: Vec<(ShowId, String)>,
    /// The kind of the tags.
    pub kind: TagKind,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// Layers of a (facility, show) that accept the same tags and have frames that could be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveTags {
    /// The facility.
    pub facility: FacilityId,
    /// The show.
    pub show: ShowId,
    /// The tags, any of which will do.
    pub tags: Vec<Tag>,
    /// How many frames wait.
    pub waiting: i64,
    /// When the newest of their jobs began, in microseconds since 1970.
    pub newest_us: i64,
}

/// Fingerprint of the farm's clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMark {
    /// Differs between two states; equal marks mean equal clusters.
    pub mark: String,
    /// True if the facility that was asked about exists.
    pub facility_known: bool,
}

impl Store {
    /// A mark of the clusters as [`Store::list_clusters`] would list them now; it may change where
    /// they do not.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn cluster_mark(&self, facility: Option<&str>) -> Result<ClusterMark, StoreError> {
        let statement = &statements::CLUSTER_MARK;
        let query = sqlx::query(statement.sql).bind(facility.map(str::to_owned));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(statement, query, &mut conn).await?;
        let row = rows.first().ok_or(StoreError::Failed {
            statement: statement.name,
            source: sqlx::Error::RowNotFound,
        })?;
        Ok(ClusterMark {
            mark: get(row, statement.name, "mark")?,
            facility_known: get(row, statement.name, "facility_known")?,
        })
    }

    /// Where there is work that [`Store::pending_layers`] could find now; of one facility if
    /// `facility` names one. It may name more than that finds, and never less.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn active_tags(&self, facility: Option<&str>) -> Result<Vec<ActiveTags>, StoreError> {
        let statement = &statements::ACTIVE_TAGS;
        let name = statement.name;
        let query = sqlx::query(statement.sql).bind(facility.map(str::to_owned));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(statement, query, &mut conn).await?;
        rows.iter()
            .map(|row| {
                let text: String = get(row, name, "str_tags")?;
                Ok(ActiveTags {
                    facility: id(row, name, "pk_facility")?,
                    show: id(row, name, "pk_show")?,
                    tags: tags::alternatives(&text),
                    waiting: get(row, name, "waiting")?,
                    newest_us: get(row, name, "newest_us")?,
                })
            })
            .collect()
    }

    /// Every tag that makes a cluster of an active, managed show; of one facility if `facility`
    /// names one.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn list_clusters(&self, facility: Option<&str>) -> Result<Vec<TagRow>, StoreError> {
        let statement = &statements::LIST_CLUSTERS;
        let name = statement.name;
        let query = sqlx::query(statement.sql).bind(facility.map(str::to_owned));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(statement, query, &mut conn).await?;
        let mut tags = Vec::with_capacity(rows.len());
        for row in &rows {
            let kind: String = get(row, name, "str_tag_type")?;
            let Some(kind) = TagKind::from_db(&kind) else {
                continue;
            };
            let shows: Vec<String> = get(row, name, "shows")?;
            let names: Vec<String> = get(row, name, "show_names")?;
            let texts: Vec<String> = get(row, name, "tags")?;
            tags.push(TagRow {
                facility: id(row, name, "pk_facility")?,
                facility_name: get(row, name, "facility_name")?,
                shows: shows.into_iter().map(ShowId::from).zip(names).collect(),
                kind,
                tags: texts.iter().map(|text| Tag::from(text.as_str())).collect(),
            });
        }
        Ok(tags)
    }

    /// The names of all facilities, sorted.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn known_facilities(&self) -> Result<Vec<String>, StoreError> {
        let statement = &statements::KNOWN_FACILITIES;
        let mut conn = self.connection().await?;
        let rows = self
            .meters
            .rows(statement, sqlx::query(statement.sql), &mut conn)
            .await?;
        rows.iter()
            .map(|row| get(row, statement.name, "str_name"))
            .collect()
    }
}
