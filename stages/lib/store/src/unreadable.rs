//! Values that cannot be read: each is left out and reported once.
//!
//! A database whose encoding is SQL_ASCII keeps any bytes, also such as are no text. Invariant: a value that cannot
//! be read costs the row or the text that it is in, and the statement goes on with all others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::StoreError;
use crate::rows::{Row, Text};

/// Values remembered for a statement. Those beyond are left out without a word.
const REMEMBERED: usize = 1_000;

/// Values of a statement that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Name of the statement.
    pub statement: &'static str,
    /// Number of them.
    pub count: usize,
    /// One of them: the row's key and the fault.
    pub example: String,
}

/// Values that could not be read so far, by statement. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnreadableLog(Arc<Mutex<BTreeMap<&'static str, BTreeSet<String>>>>);

impl UnreadableLog {
    /// A reader of one answer to a statement.
    pub(crate) const fn reader(&self, statement: &'static str) -> Reader<'_> {
        Reader {
            log: self,
            statement,
            left_out: Vec::new(),
        }
    }

    pub(crate) fn known(&self) -> Vec<Unreadable> {
        let known = self.0.lock();
        let all = known.iter().filter_map(|(statement, values)| {
            Some(Unreadable {
                statement,
                count: values.len(),
                example: values.first()?.clone(),
            })
        });
        all.collect()
    }

    fn report(&self, statement: &'static str, left_out: Vec<String>) {
        let mut all = self.0.lock();
        let known = all.entry(statement).or_default();
        let mut new = left_out;
        new.retain(|value| known.len() < REMEMBERED && known.insert(value.clone()));
        drop(all);
        if let Some(example) = new.first() {
            tracing::warn!(
                statement,
                values = new.len(),
                "values cannot be read and are left out, as {example}"
            );
        }
    }
}

/// Reads the rows of an answer, and reports what it left out when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    log: &'a UnreadableLog,
    statement: &'static str,
    left_out: Vec<String>,
}

impl Reader<'_> {
    /// The result of reading a row; none if the row holds a value that cannot be read.
    ///
    /// # Errors
    /// The statement does not return what was asked for.
    pub(crate) fn row<T>(
        &mut self,
        row: &Row,
        read: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_of_a_value() => {
                let fault = std::error::Error::source(&error).map(ToString::to_string);
                let fault = fault.unwrap_or_else(|| error.to_string());
                self.left_out.push(format!("{}: {fault}", row.key()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Every row that can be read.
    ///
    /// # Errors
    /// The statement does not return what was asked for.
    pub(crate) fn each<T>(
        mut self,
        rows: &[Row],
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = rows.iter().map(|row| self.row(row, read(row)));
        rows.filter_map(Result::transpose).collect()
    }

    /// Those texts of an array that can be read.
    pub(crate) fn texts(
        &mut self,
        row: &Row,
        column: &'static str,
    ) -> Result<Vec<String>, StoreError> {
        let texts: Vec<Text> = row.get(column)?;
        let mut readable = Vec::with_capacity(texts.len());
        for text in texts {
            match text {
                Text::Readable(text) => readable.push(text),
                Text::Unreadable(shown) => {
                    self.left_out.push(format!(
                        "{}: {column} holds {shown:?}, which is not UTF-8",
                        row.key()
                    ));
                }
            }
        }
        Ok(readable)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if !self.left_out.is_empty() {
            let left_out = std::mem::take(&mut self.left_out);
            self.log.report(self.statement, left_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_once_and_the_memory_is_bounded() {
        let log = UnreadableLog::default();
        let value = |n: usize| format!("pk_layer {n}: bad");
        log.report("one", vec![value(1), value(1), value(2)]);
        log.report("one", vec![value(2)]);
        log.report("two", (0..REMEMBERED + 7).map(value).collect());
        let known = log.known();
        let counts: Vec<_> = known.iter().map(|one| (one.statement, one.count)).collect();
        assert_eq!(counts, [("one", 2), ("two", REMEMBERED)]);
        assert_eq!(known[0].example, value(1));
    }
}
