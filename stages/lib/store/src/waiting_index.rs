//! OpenCue's index on the waiting frames of a layer (OPENCUE.md, Schema versions), by which frames are locked.
//!
//! Invariants: no statement needs the index: without it plans are slower and answers the same. The index is known
//! by its columns and rows, never by its name.

use sqlx::PgConnection;

use crate::error::StoreError;
use crate::rows::Row;
use crate::statements::{CHECK_INDEXES, query};

/// The table of the index.
pub(crate) const TABLE: &str = "frame";

/// The columns by which [`LOCK_FRAMES_INDEXED`](crate::statements::LOCK_FRAMES_INDEXED) orders.
const COLUMNS: [&str; 3] = ["pk_layer", "int_dispatch_order", "int_layer_order"];

const PREDICATE: &str = "str_state='WAITING'";

/// An index as it is in the database.
struct Found {
    usable: bool,
    columns: Vec<String>,
    predicate: Option<String>,
    plain_order: bool,
}

impl Found {
    /// Returns true if the index orders the waiting frames of a layer, perhaps by further columns too.
    fn orders_waiting_frames(&self) -> bool {
        let columns = self.columns.iter().map(|column| column.trim_matches('"'));
        let predicate = self.predicate.as_deref().map(plain);
        self.usable
            && self.plain_order
            && self.columns.len() >= COLUMNS.len()
            && columns.zip(COLUMNS).all(|(found, wanted)| found == wanted)
            && predicate.as_deref() == Some(PREDICATE)
    }
}

/// An expression without what the server adds when it writes it: blanks, parentheses and casts.
fn plain(expression: &str) -> String {
    let text = expression.replace(|sign: char| sign.is_whitespace() || "()".contains(sign), "");
    text.replace("::text", "").replace("::charactervarying", "")
}

/// Returns true if there is an index that [`LOCK_FRAMES_INDEXED`](crate::statements::LOCK_FRAMES_INDEXED) can use.
pub(crate) async fn has_waiting_index(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let query = query(&CHECK_INDEXES).bind(vec![TABLE]);
    let rows = query.fetch_all(conn).await?.into_iter();
    let rows: Vec<Row> = rows.map(|row| Row::new(row, CHECK_INDEXES.name)).collect();
    any_orders_waiting_frames(&rows).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(crate) fn any_orders_waiting_frames(rows: &[Row]) -> Result<bool, StoreError> {
    let found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(found.iter().any(Found::orders_waiting_frames))
}

fn read(row: &Row) -> Result<Found, StoreError> {
    Ok(Found {
        usable: row.get("usable")?,
        columns: row.get("columns")?,
        predicate: row.get("predicate")?,
        plain_order: row.get("plain_order")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like() -> Found {
        Found {
            usable: true,
            columns: COLUMNS.map(str::to_owned).to_vec(),
            predicate: Some("str_state::text = 'WAITING'::text".to_owned()),
            plain_order: true,
        }
    }

    #[test]
    fn an_index_with_further_columns_counts() {
        assert!(like().orders_waiting_frames());
        let mut longer = like();
        longer.columns.push("str_name".to_owned());
        assert!(longer.orders_waiting_frames());
    }

    #[test]
    fn an_index_that_only_looks_like_it_does_not_count() {
        let mut others: [Found; 7] = std::array::from_fn(|_| like());
        others[0].predicate = Some("str_state::text = 'RUNNING'::text".to_owned());
        others[1].predicate = None;
        others[2].predicate = Some("(str_state::text || ''::text) = 'WAITING'::text".to_owned());
        others[3].columns.swap(0, 1);
        others[4].columns.pop();
        others[5].plain_order = false;
        others[6].usable = false;
        assert!(!others.iter().any(Found::orders_waiting_frames));
    }
}
