//! Pauses in the database: they survive every session, have an end, and Cuebot's switches stay as they are.

use std::time::Duration;

use cue_domain::{Pause, PauseScope};

use crate::yard::{Yard, store};

fn pause(scope: &PauseScope, reason: &str) -> Pause {
    Pause {
        scope: scope.clone(),
        by: "ann".to_owned(),
        reason: reason.to_owned(),
    }
}

async fn held(store: &cue_store::Store) -> Vec<(String, String)> {
    let rows = store.pauses().await.unwrap().into_iter();
    let mut held: Vec<_> = rows
        .map(|row| (row.pause.scope.to_string(), row.pause.reason))
        .collect();
    held.sort();
    held
}

#[tokio::test]
async fn a_pause_is_set_replaced_and_ended_for_every_session() {
    let yard = Yard::new().await;
    let other = store(&yard.db, 1).await;
    let switches = "SELECT count(*) FROM config";
    let before: i64 = sqlx::query_scalar(switches)
        .fetch_one(&yard.db.pool)
        .await
        .unwrap();
    let (all, show) = (PauseScope::All, PauseScope::Show("alpha".into()));
    let minute = Duration::from_secs(60);
    assert!(yard.store.pause(&pause(&all, "one"), minute).await.unwrap());
    assert!(
        yard.store
            .pause(&pause(&show, "two"), minute)
            .await
            .unwrap()
    );
    assert!(
        other
            .pause(&pause(&all, "three"), 2 * minute)
            .await
            .unwrap()
    );
    let text = |scope: &str, reason: &str| (scope.to_owned(), reason.to_owned());
    let wanted = [text("all", "three"), text("show/alpha", "two")];
    assert_eq!(held(&yard.store).await, wanted);
    let rows = other.pauses().await.unwrap();
    let row = rows.iter().find(|row| row.pause.scope == all).unwrap();
    assert!(
        row.remaining > minute && row.remaining <= 2 * minute,
        "{row:?}"
    );
    assert!(row.age < minute);

    for unknown in [
        PauseScope::Show("no".into()),
        PauseScope::Facility("no".into()),
    ] {
        assert!(!other.pause(&pause(&unknown, "x"), minute).await.unwrap());
    }
    let yard_scope = PauseScope::Facility("yard".into());
    assert!(other.pause(&pause(&yard_scope, "x"), minute).await.unwrap());
    assert!(other.resume(&yard_scope).await.unwrap());
    assert!(!other.resume(&yard_scope).await.unwrap());
    assert!(other.resume(&all).await.unwrap());
    assert_eq!(held(&yard.store).await, [text("show/alpha", "two")]);

    // Time passes: a pause ends without anybody, and the next lever takes its row away.
    let late = "UPDATE config SET long_value = 1 WHERE str_value LIKE 'show/alpha%'";
    sqlx::query(late).execute(&yard.db.pool).await.unwrap();
    assert!(held(&other).await.is_empty());
    assert!(!other.resume(&show).await.unwrap());
    let after: i64 = sqlx::query_scalar(switches)
        .fetch_one(&yard.db.pool)
        .await
        .unwrap();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_row_that_is_no_pause_pauses_nothing() {
    let yard = Yard::new().await;
    let strange = "INSERT INTO config (pk_config, str_key, long_value, str_value) \
                   VALUES ('x', 'cue_pause_x', 99999999999999, 'please stop')";
    sqlx::query(strange).execute(&yard.db.pool).await.unwrap();
    assert!(held(&yard.store).await.is_empty());
}
