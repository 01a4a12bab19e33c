//! Migrations from a folder: our schema beside the one that OpenCue's make, of which it is a part,
//! and what is said of a migration that fails.
//!
//! The comparison needs a folder in `OPENCUE_MIGRATIONS`; without one its test says so and passes.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;

use cue_simfarm::postgres::{Database, Server, ServerSettings};
use cue_simfarm::schema::{Migrations, SchemaSource, SchemaVersion};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Every column, index, constraint and trigger of a table, one line each. Conditions of triggers are
/// left out: they can be spelt in many ways, and tests of their effects run on both schemas.
const SHAPE: &str = "
    select relname || ' column ' || attname || ' ' || format_type(atttypid, atttypmod)
           || case when attnotnull then ' not null' else '' end
           || coalesce(' default ' || pg_get_expr(adbin, adrelid), '')
    from pg_attribute a join pg_class c on c.oid = attrelid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relkind = 'r' and attnum > 0 and not attisdropped and relnamespace = 'public'::regnamespace
    union all
    select c.relname || ' index ' || pg_get_indexdef(indexrelid)
    from pg_index join pg_class c on c.oid = indrelid where relnamespace = 'public'::regnamespace
    union all
    select c.relname || ' constraint ' || conname || ' ' || pg_get_constraintdef(k.oid)
    from pg_constraint k join pg_class c on c.oid = conrelid where relnamespace = 'public'::regnamespace
    union all
    select c.relname || ' trigger ' || regexp_replace(pg_get_triggerdef(t.oid), ' WHEN .* EXECUTE', ' EXECUTE')
    from pg_trigger t join pg_class c on c.oid = tgrelid where not tgisinternal and relnamespace = 'public'::regnamespace
    union all
    select c.relname || ' view with ' || string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)
    from pg_attribute join pg_class c on c.oid = attrelid
    where relkind = 'v' and attnum > 0 and relnamespace = 'public'::regnamespace group by c.relname";

async fn server() -> Server {
    let server = tokio::task::spawn_blocking(|| Server::available(ServerSettings::from_env()));
    server.await.unwrap().unwrap()
}

async fn shape(server: &Server, source: &SchemaSource, version: SchemaVersion) -> BTreeSet<String> {
    let name = format!("shape_{}", uuid::Uuid::new_v4().simple());
    let database = Database::create(server, &name).await.unwrap();
    let mut conn = PgConnection::connect(database.url()).await.unwrap();
    source.install(&mut conn, version).await.unwrap();
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(SHAPE))
        .fetch_all(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    database.remove().await.unwrap();
    rows.into_iter().collect()
}

/// The table, index or view that a line is about.
fn table(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

#[tokio::test]
async fn our_schema_is_that_of_the_migrations_on_every_table_that_it_has() {
    let Some(folder) = std::env::var_os("OPENCUE_MIGRATIONS").filter(|value| !value.is_empty())
    else {
        eprintln!("skipped: OPENCUE_MIGRATIONS names no folder of migrations");
        return;
    };
    let migrations = Migrations::read(folder.as_ref()).unwrap();
    let newest = migrations.newest();
    let real = SchemaSource::OpenCue(migrations);
    let server = server().await;
    for version in SchemaVersion::ALL
        .into_iter()
        .filter(|version| *version <= newest)
    {
        let ours = shape(&server, &SchemaSource::Own, version).await;
        let tables: BTreeSet<&str> = ours.iter().map(|line| table(line)).collect();
        let theirs = shape(&server, &real, version).await;
        let theirs: BTreeSet<String> = theirs
            .into_iter()
            .filter(|line| tables.contains(table(line)))
            .collect();
        let missing: Vec<_> = theirs.difference(&ours).collect();
        let extra: Vec<_> = ours.difference(&theirs).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{version}: missing {missing:#?}, extra {extra:#?}"
        );
    }
}

#[tokio::test]
async fn a_migration_that_fails_is_named_with_the_place_and_leaves_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |number: u32, sql: &str| {
        let path = folder.path().join(format!("V{number}__Step.sql"));
        std::fs::write(path, sql).unwrap();
    };
    for number in 1..=47 {
        write(number, "");
    }
    write(
        2,
        "create table kept (n int);\ninsert into kept values (1);",
    );
    let server = server().await;
    for (broken, place) in [
        (
            "-- Two lines\nselect 1;\nselect no_such_column;",
            "V3__Step.sql failed at line 3",
        ),
        (
            "insert into kept values (2);\ndo $$ begin raise exception 'no'; end $$;",
            "V3__Step.sql failed at its statement 2",
        ),
    ] {
        write(3, broken);
        let migrations = Migrations::read(folder.path()).unwrap();
        let name = format!("broken_{}", uuid::Uuid::new_v4().simple());
        let database = Database::create(&server, &name).await.unwrap();
        let mut conn = PgConnection::connect(database.url()).await.unwrap();
        let source = SchemaSource::OpenCue(migrations);
        let error = source.install(&mut conn, SchemaVersion::V47).await;
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with(place), "{error}");
        let kept: Vec<i32> = sqlx::query_scalar("select n from kept")
            .fetch_all(&mut conn)
            .await
            .unwrap();
        assert_eq!(kept, [1]);
        conn.close().await.unwrap();
        database.remove().await.unwrap();
    }
}
