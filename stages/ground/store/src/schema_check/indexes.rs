//! Indexes that OpenCue lacks and that the scheduler's statements would profit from.
//!
//! Invariants: nothing here creates an index, and no statement needs one: without them the plans are
//! slower and the answers the same. Each is in the list because it was measured (`bench indexes`).

use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::CHECK_INDEXES;

/// An index on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedIndex {
    /// Its name.
    pub name: &'static str,
    /// Its table.
    pub table: &'static str,
    /// Its columns, in order.
    pub columns: &'static [&'static str],
    /// Which rows it holds.
    pub predicate: &'static str,
    /// The statement it serves.
    pub serves: &'static str,
    /// What it was measured to gain.
    pub gain: &'static str,
    /// What it costs those who write.
    pub cost: &'static str,
}

/// All indexes on offer.
///
/// The predicate is spelled as in the statement, so that the index serves that statement and changes
/// the plan of no other, Cuebot's included. The last column makes the order complete: without it,
/// statistics have the planner sort a whole layer.
pub const INDEXES: &[OfferedIndex] = &[OfferedIndex {
    name: "i_frame_next_waiting",
    table: "frame",
    columns: &[
        "pk_layer",
        "int_dispatch_order",
        "int_layer_order",
        "pk_frame",
    ],
    predicate: "str_state || '' = 'WAITING'",
    serves: "lock_frames",
    gain: "100 frames of a layer of 50,000: 49 ms -> 0.2 ms; booking that layer to its end: 43 ms -> 3.4 ms a batch; layers of 50 frames: nothing",
    cost: "124 MiB a million waiting frames; submitting and booking a frame: no difference that could be measured",
}];

/// What there is of an index on offer in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// Nothing like it.
    Missing,
    /// One that does the same.
    Exists {
        /// Its name.
        name: String,
    },
    /// One that would do the same, and that a failed or unfinished creation left unusable.
    Invalid {
        /// Its name.
        name: String,
    },
    /// Nothing like it, and its name is taken by an index that does something else.
    NameTaken,
}

/// An index as it is in the database.
struct Found {
    table: String,
    name: String,
    usable: bool,
    columns: Vec<String>,
    predicate: Option<String>,
    plain_order: bool,
}

impl OfferedIndex {
    /// The statement that creates it without stopping anybody.
    #[must_use]
    pub fn ddl(&self) -> String {
        let Self {
            name,
            table,
            predicate,
            ..
        } = self;
        let columns = self.columns.join(", ");
        format!(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} ({columns}) WHERE {predicate};"
        )
    }

    /// Whether `found` does the same: this table, these columns first, these rows, in this order.
    fn is(&self, found: &Found) -> bool {
        let columns = found.columns.iter().map(|column| column.trim_matches('"'));
        found.table == self.table
            && found.plain_order
            && found.columns.len() >= self.columns.len()
            && columns.zip(self.columns).all(|(a, b)| a == *b)
            && found
                .predicate
                .as_deref()
                .is_some_and(|predicate| plain(predicate) == plain(self.predicate))
    }

    fn state(&self, found: &[Found]) -> IndexState {
        let mut same = found.iter().filter(|found| self.is(found));
        if let Some(good) = same.clone().find(|found| found.usable) {
            return IndexState::Exists {
                name: good.name.clone(),
            };
        }
        if let Some(bad) = same.next() {
            return IndexState::Invalid {
                name: bad.name.clone(),
            };
        }
        if found.iter().any(|found| found.name == self.name) {
            IndexState::NameTaken
        } else {
            IndexState::Missing
        }
    }
}

/// An expression without what the server adds when it writes it: blanks, parentheses and casts.
fn plain(expression: &str) -> String {
    let mut text: String = expression
        .chars()
        .filter(|letter| !letter.is_whitespace() && !"()".contains(*letter))
        .collect();
    for cast in ["::text", "::charactervarying"] {
        text = text.replace(cast, "");
    }
    text
}

impl Store {
    /// Every index on offer, and what there is of it.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_indexes(&self) -> Result<Vec<(OfferedIndex, IndexState)>, StoreError> {
        let mut tables: Vec<&str> = INDEXES.iter().map(|index| index.table).collect();
        tables.sort_unstable();
        tables.dedup();
        let query = sqlx::query(CHECK_INDEXES.sql).bind(tables);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_INDEXES, query, &mut conn).await?;
        let found = rows.iter().map(index).collect::<Result<Vec<_>, _>>()?;
        Ok(INDEXES
            .iter()
            .map(|index| (*index, index.state(&found)))
            .collect())
    }
}

fn index(row: &PgRow) -> Result<Found, StoreError> {
    let name = CHECK_INDEXES.name;
    Ok(Found {
        table: get(row, name, "table_name")?,
        name: get(row, name, "index_name")?,
        usable: get(row, name, "usable")?,
        columns: get(row, name, "columns")?,
        predicate: get(row, name, "predicate")?,
        plain_order: get(row, name, "plain_order")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(offered: &OfferedIndex) -> Found {
        Found {
            table: offered.table.to_owned(),
            name: "by_hand".to_owned(),
            usable: true,
            columns: offered
                .columns
                .iter()
                .map(|&column| column.to_owned())
                .collect(),
            predicate: Some("((str_state)::text || ''::text) = 'WAITING'::text".to_owned()),
            plain_order: true,
        }
    }

    #[test]
    fn an_index_of_another_name_that_does_the_same_counts() {
        let offered = &INDEXES[0];
        let exists = IndexState::Exists {
            name: "by_hand".to_owned(),
        };
        assert_eq!(offered.state(&[like(offered)]), exists);
        let mut longer = like(offered);
        longer.columns.push("str_name".to_owned());
        assert_eq!(offered.state(&[longer]), exists);
        let mut broken = like(offered);
        broken.usable = false;
        assert!(matches!(
            offered.state(&[broken]),
            IndexState::Invalid { .. }
        ));
    }

    #[test]
    fn an_index_that_only_looks_like_it_does_not_count() {
        let offered = &INDEXES[0];
        let mut others: Vec<Found> = (0..5).map(|_| like(offered)).collect();
        others[0].predicate = Some("str_state::text = 'WAITING'::text".to_owned());
        others[1].predicate = None;
        others[2].columns.swap(0, 1);
        others[3].columns.pop();
        others[4].plain_order = false;
        assert_eq!(offered.state(&others), IndexState::Missing);
        offered.name.clone_into(&mut others[0].name);
        assert_eq!(offered.state(&others), IndexState::NameTaken);
    }
}
