//! Installation of the triggers, and the way back.

use cue_simfarm::schema::SchemaVersion::{V47, V51};
use cue_simfarm::schema::statement_triggers::{INSTALL, UNDO};

use crate::farm::farm;

/// Triggers on frames, as they are defined. Schemas spell the same condition in two ways.
const TRIGGERS: &str = "
    select replace(pg_get_triggerdef(t.oid), '(new.str_state)::text <> (old.str_state)::text',
                   '(old.str_state)::text <> (new.str_state)::text')
    from pg_trigger t
    where t.tgrelid = 'frame'::regclass and not t.tgisinternal order by 1";
/// Functions of the files.
const FUNCTIONS: &str = "select proname::text from pg_proc where proname like 'cue\\_%' order by 1";
/// Triggers on frames that run once a statement.
const BY_STATEMENT: &str = "
    select tgname::text from pg_trigger
    where tgrelid = 'frame'::regclass and not tgisinternal and tgtype & 1 = 0 order by 1";

#[tokio::test]
async fn the_way_back_leaves_nothing_behind_and_both_files_can_run_again() {
    for version in [V47, V51] {
        let db = farm(version).await;
        let before = db.values::<String>(TRIGGERS).await;
        for file in [UNDO, INSTALL, INSTALL, UNDO, UNDO] {
            db.run(file).await;
        }
        assert_eq!(db.values::<String>(TRIGGERS).await, before);
        assert_eq!(db.values::<String>(FUNCTIONS).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_history_is_left_alone_where_it_has_a_queue() {
    let db = farm(V47).await;
    db.run(INSTALL).await;
    let both = ["frame_history_open", "update_frame_status_counts"];
    assert_eq!(db.values::<String>(BY_STATEMENT).await, both);

    // The order that the page asks for: back, migrate, again.
    db.run(UNDO).await;
    db.migrate_to(V51).await.unwrap();
    db.run(INSTALL).await;
    assert_eq!(
        db.values::<String>(BY_STATEMENT).await,
        ["update_frame_status_counts"]
    );
}

#[tokio::test]
async fn a_schema_with_another_counter_is_refused_and_left_as_it_is() {
    let db = farm(V47).await;
    db.run("alter table job_stat add int_parked_count bigint not null default 0")
        .await;
    let before = db.values::<String>(TRIGGERS).await;
    let error = sqlx::raw_sql(INSTALL).execute(&db.pool).await.unwrap_err();
    assert!(
        error.to_string().contains("unknown counters in job_stat"),
        "{error}"
    );
    assert_eq!(db.values::<String>(TRIGGERS).await, before);
}
