//! OpenCue's own programs: the version of the schema, Maestro's leader, shared allocations, strange rows.

use cue_simfarm::schema::SchemaVersion;
use cue_store::MAESTRO_KEY;

use crate::{Answer, Role, check, fit, fit_at};

/// The only finding of a check.
fn only<'t>(answer: &'t Answer, verdict: &str, check: &str) -> &'t str {
    let lines = answer.lines(&format!("{verdict:<5} {check} "));
    assert_eq!(lines.len(), 1, "{}", answer.out);
    lines[0]
}

#[tokio::test]
async fn the_newest_version_of_the_schema_is_printed_with_its_source() {
    for version in SchemaVersion::ALL {
        let (db, _farm) = fit_at(version).await;
        let answer = check(&db.url).await;
        let wanted = format!("migration {version}, by its tables and columns");
        assert!(
            only(&answer, "ok", "schema").contains(&wanted),
            "{}",
            answer.out
        );
        let index = only(&answer, "ok", "indexes");
        let missing = version < SchemaVersion::V51;
        assert_eq!(index.contains("is missing"), missing, "{index}");
    }
    let (db, _farm) = fit().await;
    db.run("CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50), success boolean)").await;
    db.run("INSERT INTO flyway_schema_history VALUES (1, '9', true), (2, '49', true), (3, '47', true), (4, '51', false), (5, NULL, true)").await;
    let answer = check(&db.url).await;
    assert!(
        only(&answer, "ok", "schema").contains("V49, by flyway_schema_history"),
        "{}",
        answer.out
    );

    let role = Role::create(&db).await;
    let answer = check(&role.url).await;
    assert!(
        only(&answer, "ok", "schema").contains("V47, by its tables"),
        "{}",
        answer.out
    );
    role.drop(&db).await;

    db.run("INSERT INTO flyway_schema_history VALUES (6, '52', true)")
        .await;
    db.run("ALTER TABLE layer ADD COLUMN int_slots_required int NOT NULL DEFAULT 0")
        .await;
    let answer = check(&db.url).await;
    let warned = answer.lines("warn  schema").join("\n");
    assert!(
        warned.contains("V52") && warned.contains("int_slots_required"),
        "{}",
        answer.out
    );
    assert_eq!(answer.code, Some(0));
}

#[tokio::test]
async fn a_leader_of_maestro_fails_the_check_until_it_is_gone() {
    let (db, _farm) = fit().await;
    let (other, _farm) = fit().await;
    let mut cuebot = db.pool.acquire().await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_lock($1), pg_backend_pid()").bind(MAESTRO_KEY);
    lock.execute(&mut *cuebot).await.unwrap();
    // A role of its own may not see where the session comes from, and sees that it is there.
    let role = Role::create(&db).await;
    for url in [&db.url, &role.url] {
        let answer = check(url).await;
        assert_eq!(answer.code, Some(78), "{}", answer.out);
        let line = only(&answer, "FAIL", "maestro");
        assert!(
            line.contains("; set maestro.enabled=no in the properties of every Cuebot"),
            "{line}"
        );
    }
    role.drop(&db).await;
    only(&check(&other.url).await, "ok", "maestro");
    let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(MAESTRO_KEY);
    unlock.execute(&mut *cuebot).await.unwrap();
    let answer = check(&db.url).await;
    only(&answer, "ok", "maestro");
    assert_eq!(answer.code, Some(0), "{}", answer.out);
}

#[tokio::test]
async fn an_allocation_that_shows_of_both_kinds_share_is_warned_about() {
    let (db, farm) = fit().await;
    let other = format!(
        "INSERT INTO show (pk_show, str_name, b_active, b_scheduler_managed) VALUES ('other', 'beta', true, false);
         INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst)
         VALUES ('sub', 'other', '{}', 100, 1000)",
        farm.allocation.id
    );
    db.run(&other).await;
    let answer = check(&db.url).await;
    let line = only(&answer, "warn", "shared");
    let wanted = format!(
        "has shows of both kinds, handed over ({}) and booked by Cuebot (beta)",
        farm.show.name
    );
    assert!(line.contains(&wanted), "{line}");
    for cured in [
        "UPDATE subscription SET int_burst = 0 WHERE pk_show = 'other'",
        "UPDATE subscription SET int_burst = 1000; UPDATE show SET b_scheduler_managed = true",
    ] {
        db.run(cured).await;
        assert_eq!(
            check(&db.url).await.lines("warn  shared"),
            Vec::<&str>::new()
        );
    }
}

#[tokio::test]
async fn rows_that_mean_something_else_to_cuebot_are_warned_about() {
    let (db, farm) = fit().await;
    for name in ["sound", "manual", "foreign", "bare", "done"] {
        farm.frames(name, 2, |_| {}).await.unwrap();
    }
    let meaning = async || check(&db.url).await.lines("warn  meaning").join("\n");
    assert_eq!(meaning().await, "");
    db.run("UPDATE job SET b_auto_book = false WHERE str_name IN ('manual', 'done')")
        .await;
    db.run("UPDATE job SET str_state = 'FINISHED' WHERE str_name = 'done'")
        .await;
    db.run("UPDATE job SET str_os = 'Linux' WHERE str_name = 'foreign'; UPDATE host_stat SET str_os = 'debian, centos'").await;
    db.run("UPDATE layer SET str_tags = 'gen.*|General' WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'sound')").await;
    let bare = "UPDATE layer SET str_tags = ' | ' WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'bare')";
    db.run(bare).await;
    db.run("UPDATE show SET b_booking_enabled = false").await;
    let warned = meaning().await;
    for wanted in [
        "the scheduler books them: manual;",
        "as they are written: gen.*;",
        "and not to the scheduler: General;",
        "and on none for the scheduler: render;",
        "no host of their facility has: Linux; hosts have centos, debian;",
        &format!("nor the scheduler looks at, for shows: {};", farm.show.name),
    ] {
        assert!(warned.contains(wanted), "{wanted} is missing in\n{warned}");
    }
    assert_eq!(warned.lines().count(), 6, "{warned}");
    db.run("UPDATE job SET str_os = 'centos' WHERE str_name = 'foreign'")
        .await;
    assert_eq!(meaning().await.lines().count(), 5);
}
