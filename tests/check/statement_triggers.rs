//! Statement triggers in place of row triggers: the check says if they stand, and what a migration did to them.

use cue_simfarm::schema::SchemaVersion::V47;
use cue_simfarm::schema::statement_triggers::{INSTALL, UNDO};

use super::{check, fit_at};

#[tokio::test]
async fn the_check_says_if_the_statement_triggers_stand() {
    let (db, _farm) = fit_at(V47).await;
    let found = async || {
        let out = check(&db.url).await.out;
        let lines = out.lines().filter(|line| line.contains(" triggers    "));
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(found().await, "");

    db.run(INSTALL).await;
    let both = found().await;
    assert_eq!(both.matches("ok    triggers").count(), 2, "{both}");
    let answer = check(&db.url).await;
    assert_eq!(answer.lines("FAIL"), Vec::<&str>::new());

    let body = "DECLARE x int; BEGIN RETURN NULL; END";
    db.run(&format!("CREATE OR REPLACE FUNCTION trigger__frame_history_open() RETURNS trigger LANGUAGE plpgsql AS '{body}'")).await;
    let changed = found().await;
    assert!(
        changed.contains("warn  triggers    trigger__frame_history_open() has changed"),
        "{changed}"
    );

    // A migration that creates its own trigger again has to drop the one of that name.
    db.run(
        "DROP TRIGGER update_frame_status_counts ON frame;
         CREATE TRIGGER update_frame_status_counts AFTER UPDATE ON frame FOR EACH ROW
         WHEN (old.str_state <> 'SETUP' AND old.str_state <> new.str_state)
         EXECUTE FUNCTION trigger__update_frame_status_counts()",
    )
    .await;
    let back = found().await;
    assert!(
        back.contains(
            "update_frame_status_counts was installed, and OpenCue's row trigger is back"
        ),
        "{back}"
    );

    db.run("ALTER TABLE frame DISABLE TRIGGER cue_mark_frame_states")
        .await;
    let unmarked = found().await;
    assert!(
        unmarked
            .contains("FAIL  triggers    the statement trigger frame_history_open does nothing"),
        "{unmarked}"
    );

    db.run(UNDO).await;
    assert_eq!(found().await, "");
}
