//! Rights: the check asks for what statements and installed triggers need, no more and no less.

use cue_simfarm::schema::SchemaVersion;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{Answer, Role, check, fit_at, program};

/// Text behind `GRANT ` in the findings about rights, each without its semicolon.
fn grants(answer: &Answer) -> Vec<String> {
    let lines = answer.lines("FAIL  rights").into_iter();
    let grant = |line: &str| {
        Some(
            line.split_once("GRANT ")?
                .1
                .trim_end_matches(';')
                .to_owned(),
        )
    };
    lines.filter_map(grant).collect()
}

/// Grants taken apart: one right on one relation each.
fn each(role: &Role, grants: &[String]) -> Vec<(String, String)> {
    let mut each = Vec::new();
    for grant in grants {
        let (rights, rest) = grant.split_once(" ON ").unwrap();
        let relation = rest.strip_suffix(&format!(" TO {}", role.name)).unwrap();
        let rights = rights.split(", ");
        each.extend(rights.map(|right| (right.to_owned(), relation.to_owned())));
    }
    each
}

#[tokio::test]
async fn the_grants_that_are_printed_are_enough_to_book() {
    for version in [SchemaVersion::V47, SchemaVersion::V51] {
        let (db, farm) = fit_at(version).await;
        farm.frames("shot", 5, |_| {}).await.unwrap();
        let role = Role::create(&db).await;
        let answer = check(&role.url).await;
        assert_eq!(answer.code, Some(78), "{}{}", answer.out, answer.err);
        let grants = grants(&answer);
        let proc = format!("SELECT, INSERT, UPDATE, DELETE ON proc TO {}", role.name);
        assert!(grants.contains(&proc), "{grants:?}");
        for grant in &grants {
            db.run(&format!("GRANT {grant}")).await;
        }
        let answer = check(&role.url).await;
        assert_eq!(answer.code, Some(0), "{version}: {}", answer.out);

        let words = ["run", "--dry-run", "--exit-when-idle", "2"];
        let booked = program(&words, &role.url).await;
        assert_eq!(booked.code, Some(0), "{version}: {}", booked.err);
        let running = "SELECT count(*) FROM frame WHERE str_state = 'RUNNING'";
        let running: i64 = db.value(running).await;
        assert_eq!(running, 5, "{version}: {}", booked.err);
        role.drop(&db).await;
    }
}

#[tokio::test]
async fn the_role_that_the_page_for_operators_makes_has_every_right() {
    let page = include_str!("../../config/OPERATIONS.md");
    let script = page
        .split("```sql\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    for version in SchemaVersion::ALL {
        let (db, _farm) = fit_at(version).await;
        let role = Role::create(&db).await;
        let lines = script.lines().filter(|line| !line.starts_with("--"));
        let script = lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace("cue_scheduler", &role.name);
        for statement in script.split(';').map(str::trim) {
            if !statement.starts_with("GRANT") {
                continue;
            }
            let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
                .execute(&db.pool)
                .await;
            match done {
                Ok(_) => {}
                // A line for another version of the schema.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {}
                Err(error) => panic!("{statement}: {error}"),
            }
        }
        let answer = check(&role.url).await;
        let none: [&str; 0] = [];
        assert_eq!(answer.lines("FAIL"), none, "{version}: {}", answer.out);
        role.drop(&db).await;
    }
}

#[tokio::test]
async fn a_role_without_one_right_is_asked_for_exactly_that_one() {
    let (db, _farm) = fit_at(SchemaVersion::V51).await;
    let role = Role::create(&db).await;
    let needed = grants(&check(&role.url).await);
    for grant in &needed {
        db.run(&format!("GRANT {grant}")).await;
    }
    let each = each(&role, &needed);
    assert!(each.len() > 30, "{each:?}");
    for wanted in [
        ("INSERT", "frame_history_queue"),
        ("USAGE", "SEQUENCE frame_history_queue_id_seq"),
    ] {
        let wanted = (wanted.0.to_owned(), wanted.1.to_owned());
        assert!(each.contains(&wanted), "{wanted:?} is missing in {each:?}");
    }
    assert!(
        !each.iter().any(|(_, relation)| relation == "frame_history"),
        "{each:?}"
    );
    for (right, relation) in &each {
        db.run(&format!("REVOKE {right} ON {relation} FROM {}", role.name))
            .await;
        let answer = check(&role.url).await;
        assert_eq!(
            answer.code,
            Some(78),
            "{right} on {relation}: {}",
            answer.out
        );
        let missing = grants(&answer);
        let wanted = format!("{right} ON {relation} TO {}", role.name);
        assert_eq!(missing, [wanted], "{}", answer.out);
        db.run(&format!("GRANT {right} ON {relation} TO {}", role.name))
            .await;
    }
    assert_eq!(check(&role.url).await.code, Some(0));
    role.drop(&db).await;
}

#[tokio::test]
async fn the_rights_follow_the_triggers_that_are_installed_and_not_a_version() {
    let (db, _farm) = fit_at(SchemaVersion::V47).await;
    let role = Role::create(&db).await;
    let asked = async |relation: &str| {
        let grants = grants(&check(&role.url).await);
        let of = format!(" ON {relation} TO ");
        let grant = grants
            .iter()
            .find(|grant| grant.contains(&of))?
            .split_once(" ON ")?
            .0
            .to_owned();
        Some(grant)
    };
    let all = Some("SELECT, INSERT, UPDATE, DELETE".to_owned());
    assert_eq!(asked("frame_history").await, all);
    assert_eq!(asked("frame_history_queue").await, None);

    db.run("ALTER TABLE frame DISABLE TRIGGER frame_history_open")
        .await;
    assert_eq!(asked("frame_history").await, None);
    let reads = Some("SELECT".to_owned());
    assert_eq!(asked("config").await, reads, "pauses are read from it");

    // A farm's own: what a function of a trigger calls counts, what a comment says and what its owner does not.
    db.run("CREATE TABLE audit_log (id bigserial, what text); CREATE TABLE sealed (what text)")
        .await;
    db.run(
        "CREATE FUNCTION note() RETURNS void AS $$ BEGIN -- DELETE FROM sealed\n
        /* UPDATE sealed */ INSERT INTO Audit_Log (what) VALUES ('x'); END $$ LANGUAGE plpgsql",
    )
    .await;
    db.run("CREATE FUNCTION noted() RETURNS trigger AS $$ BEGIN PERFORM note(); RETURN NULL; END $$ LANGUAGE plpgsql").await;
    db.run("CREATE FUNCTION seal() RETURNS trigger AS $$ BEGIN INSERT INTO sealed VALUES ('x'); RETURN NULL; END $$ LANGUAGE plpgsql SECURITY DEFINER").await;
    db.run("CREATE TRIGGER noted AFTER INSERT ON proc FOR EACH STATEMENT EXECUTE FUNCTION noted()")
        .await;
    db.run("CREATE TRIGGER seal AFTER INSERT ON proc FOR EACH STATEMENT EXECUTE FUNCTION seal()")
        .await;
    assert_eq!(asked("audit_log").await, Some("INSERT".to_owned()));
    assert_eq!(
        asked("SEQUENCE audit_log_id_seq").await,
        Some("USAGE".to_owned())
    );
    assert_eq!(asked("sealed").await, None);
    role.drop(&db).await;
}

/// The statements of this schema that `role` may not run, by name. They are planned and not run, which checks
/// every right but those of triggers.
async fn refused(role: &Role) -> Vec<&'static str> {
    let mut conn = PgConnection::connect(&role.url).await.unwrap();
    let sent = cue_store::statements::ALL.iter();
    let mut refused = Vec::new();
    let of_booking = |name: &str| !name.starts_with("check_") && !name.starts_with("lever_");
    for statement in sent.filter(|statement| of_booking(statement.name)) {
        let most = (1..40)
            .rev()
            .find(|n| statement.sql.contains(&format!("${n}")));
        let values = vec!["NULL"; most.unwrap_or(0)].join(", ");
        let values = if values.is_empty() {
            values
        } else {
            format!("({values})")
        };
        let sql = format!("PREPARE one AS {}", statement.sql);
        let prepared = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
        if let Err(sqlx::Error::Database(error)) = &prepared
            && [Some("42P01"), Some("42703")].contains(&error.code().as_deref())
        {
            // It is for a newer schema.
            continue;
        }
        prepared.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE one{values}"));
        match sqlx::raw_sql(explain).execute(&mut conn).await {
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
                refused.push(statement.name);
            }
            Err(error) => panic!("{}: {error}", statement.name),
        }
        sqlx::raw_sql("DEALLOCATE one")
            .execute(&mut conn)
            .await
            .unwrap();
    }
    conn.close().await.unwrap();
    refused
}

/// Rights that only triggers need, which planning a statement does not show.
const OF_TRIGGERS: &[&str] = &[
    "config",
    "frame_history",
    "frame_history_queue",
    "SEQUENCE frame_history_queue_id_seq",
];

#[tokio::test]
async fn every_statement_may_run_with_the_grants_that_are_printed_and_needs_each_of_them() {
    for version in [SchemaVersion::V47, SchemaVersion::V51] {
        let (db, _farm) = fit_at(version).await;
        let role = Role::create(&db).await;
        let needed = each(&role, &grants(&check(&role.url).await));
        let name = &role.name;
        for (right, relation) in &needed {
            db.run(&format!("GRANT {right} ON {relation} TO {name}"))
                .await;
        }
        let none: [&str; 0] = [];
        assert_eq!(refused(&role).await, none, "{version}: a right is missing");
        let ours = |needed: &&(String, String)| !OF_TRIGGERS.contains(&needed.1.as_str());
        for (right, relation) in needed.iter().filter(ours) {
            db.run(&format!("REVOKE {right} ON {relation} FROM {name}"))
                .await;
            let idle = refused(&role).await.is_empty();
            assert!(!idle, "{version}: no statement needs {right} on {relation}");
            db.run(&format!("GRANT {right} ON {relation} TO {name}"))
                .await;
        }
        role.drop(&db).await;
    }
}
