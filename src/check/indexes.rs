//! The indexes on offer: what each gains and costs, and whether the database has it.
//!
//! Invariant: this prints SQL and runs none of it. Who owns the tables decides.

use cue_store::{IndexState, Store, StoreError};
use serde::Serialize;

use super::Finding;

/// What there is of an index on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing like it.
    Missing,
    /// One that does the same.
    Exists,
    /// One that would do the same, and that cannot be used.
    Invalid,
    /// Its name is taken by another.
    NameTaken,
}

/// An index on offer.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// Whether the database has it.
    pub state: State,
    /// The index that does the same, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists_as: Option<String>,
    /// The statement that creates it.
    pub ddl: String,
    /// The scheduler's statement that it serves.
    pub serves: &'static str,
    /// What it was measured to gain.
    pub gain: &'static str,
    /// What it costs those who write.
    pub cost: &'static str,
}

/// All of them, as this database has them.
pub(super) async fn offers(store: &Store) -> Result<Vec<Offer>, StoreError> {
    let found = store.check_indexes().await?;
    let offers = found.into_iter().map(|(index, state)| {
        let (state, exists_as) = match state {
            IndexState::Missing => (State::Missing, None),
            IndexState::Exists { name } => (State::Exists, Some(name)),
            IndexState::Invalid { name } => (State::Invalid, Some(name)),
            IndexState::NameTaken => (State::NameTaken, None),
        };
        Offer {
            name: index.name.to_owned(),
            state,
            exists_as,
            ddl: index.ddl(),
            serves: index.serves,
            gain: index.gain,
            cost: index.cost,
        }
    });
    Ok(offers.collect())
}

/// One line about all of them. They are an offer: a database without them is fit. One that is not
/// finished is worth a look, because writers keep it and nobody reads it.
pub(super) fn summary(offers: &[Offer]) -> Finding {
    let invalid = |offer: &&Offer| offer.state == State::Invalid;
    if let Some(offer) = offers.iter().find(invalid) {
        let name = offer.exists_as.as_deref().unwrap_or(&offer.name);
        return Finding::warn(
            "indexes",
            format!("{name} cannot be used: its creation goes on, or has failed"),
            "see check --indexes",
        );
    }
    let there = offers
        .iter()
        .filter(|offer| offer.state == State::Exists)
        .count();
    Finding::ok(
        "indexes",
        format!(
            "{there} of {} offered indexes exist; see check --indexes",
            offers.len()
        ),
    )
}

/// All of them as a script: SQL that creates what is missing, and the rest as comments.
pub(super) fn listing(offers: &[Offer]) -> String {
    let mut text = "-- Indexes that cue-scheduler would profit from and OpenCue does not have. It runs without them.\n\
                    -- Nothing is created here: run what you want as the owner of the table, outside of a transaction.\n"
        .to_owned();
    for offer in offers {
        let Offer {
            serves,
            gain,
            cost,
            ddl,
            name,
            ..
        } = offer;
        let other = offer.exists_as.as_deref().unwrap_or(name);
        text.push_str(&format!(
            "\n-- serves: {serves}\n-- gain:   {gain}\n-- cost:   {cost}\n"
        ));
        text.push_str(&match offer.state {
            State::Exists => format!("-- exists: {other} does this, there is nothing to do\n-- {ddl}\n"),
            State::Missing => format!("{ddl}\n"),
            State::Invalid => format!(
                "-- {other} is being created, or its creation has failed: if nobody works on it, drop it first\n\
                 DROP INDEX CONCURRENTLY IF EXISTS {other};\n{ddl}\n"
            ),
            State::NameTaken => format!(
                "-- the name {name} is taken by another index: rename that one, or this\n-- {ddl}\n"
            ),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(state: State, exists_as: Option<&str>) -> Offer {
        Offer {
            name: "i_new".to_owned(),
            state,
            exists_as: exists_as.map(str::to_owned),
            ddl: "CREATE INDEX CONCURRENTLY IF NOT EXISTS i_new ON t (c);".to_owned(),
            serves: "a",
            gain: "b",
            cost: "c",
        }
    }

    #[test]
    fn an_index_that_nobody_can_use_is_worth_a_look() {
        let there = [
            offer(State::Exists, Some("i_old")),
            offer(State::Missing, None),
        ];
        assert_eq!(
            summary(&there).says,
            "1 of 2 offered indexes exist; see check --indexes"
        );
        let broken = summary(&[offer(State::Invalid, Some("i_old"))]);
        assert_eq!(broken.verdict, super::super::Verdict::Warn);
        assert!(broken.says.starts_with("i_old cannot be used"));
    }

    #[test]
    fn only_what_is_to_be_done_is_not_a_comment() {
        let todo = |state, exists_as| {
            let text = listing(&[offer(state, exists_as)]);
            let lines = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with("--"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(todo(State::Missing, None).len(), 1);
        assert!(todo(State::Exists, Some("i_old")).is_empty());
        assert!(todo(State::NameTaken, None).is_empty());
        let again = todo(State::Invalid, Some("i_old"));
        assert_eq!(again[0], "DROP INDEX CONCURRENTLY IF EXISTS i_old;");
        assert_eq!(again.len(), 2);
    }
}
