//! Seeded farms on the real schema: counters agree with the frames they count, one seed gives
//! one farm, and what is seeded can be seen by the queries that look for work.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::Instant;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::{
    FarmSpec, Fixture, JobSpec, LimitSpec, Seeded, Span, SpecError, launch_jobs, seed,
};
use sqlx::{AssertSqlSafe, PgPool};

/// A small farm that uses every kind of row.
fn small() -> FarmSpec {
    FarmSpec::from_toml(
        r#"
        facility = "yard"
        shows = 2
        allocations = 2
        hosts = [
            { count = 20, cores = 16, memory_gib = 64, os = "rocky9" },
            { count = 4, cores = 32, memory_gib = 128, gpus = 2, gpu_memory_gib = 48, thread_mode = "all" },
        ]
        limits = [{ name = "nuke", max = 3, share = 0.5 }]
        [host_tags]
        manual_share = 0.25
        [folders]
        per_show = 2
        max_cores = 100
        [jobs]
        per_show = [3, 5]
        [layers]
        per_job = [2, 3]
        frames = [3, 12]
        chunk = 5
        gpu_share = 0.3
        "#,
    )
    .unwrap()
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn seeded(spec: &FarmSpec, seed_number: u64) -> (TestDb, Seeded) {
    let db = TestDb::fresh().await;
    let seeded = seed(&db.pool, spec, seed_number).await.unwrap();
    (db, seeded)
}

#[tokio::test]
async fn every_counter_equals_the_frames_it_counts() {
    let (db, seeded) = seeded(&small(), 1).await;
    let frames = count(
        &db.pool,
        "SELECT count(*) FROM frame WHERE str_state = 'WAITING'",
    )
    .await;
    assert_eq!(frames.unsigned_abs(), seeded.frames);
    assert!(frames > 0);
    let wrong_layers = "
        SELECT count(*)
          FROM layer_stat AS s
          JOIN layer AS l USING (pk_layer)
         WHERE (s.int_total_count, s.int_waiting_count, s.int_running_count) IS DISTINCT FROM
               ((SELECT count(*) FROM frame AS f WHERE f.pk_layer = s.pk_layer),
                (SELECT count(*) FROM frame AS f WHERE f.pk_layer = s.pk_layer), 0)";
    assert_eq!(count(&db.pool, wrong_layers).await, 0);
    let wrong_jobs = "
        SELECT count(*)
          FROM job AS j
          JOIN job_stat AS s USING (pk_job)
         WHERE j.str_state <> 'PENDING'
            OR (s.int_waiting_count, j.int_frame_count, j.int_layer_count) IS DISTINCT FROM
               ((SELECT count(*) FROM frame AS f WHERE f.pk_job = j.pk_job),
                (SELECT count(*) FROM frame AS f WHERE f.pk_job = j.pk_job),
                (SELECT count(*) FROM layer AS l WHERE l.pk_job = j.pk_job))";
    assert_eq!(count(&db.pool, wrong_jobs).await, 0);
    let shows = "SELECT sum(int_frame_insert_count)::bigint FROM show_stats";
    assert_eq!(count(&db.pool, shows).await, frames);
}

#[tokio::test]
async fn the_rows_that_triggers_make_are_all_there() {
    let (db, seeded) = seeded(&small(), 2).await;
    for (table, expected) in [
        ("job_resource", seeded.jobs),
        ("job_history", seeded.jobs),
        ("layer_resource", seeded.layers),
        ("layer_history", seeded.layers),
        ("host_stat", seeded.hosts),
        ("point", seeded.shows.len()),
        (
            "subscription",
            seeded.shows.len() * seeded.allocations.len(),
        ),
        ("folder_resource", seeded.shows.len() * 3),
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = db.value(&sql).await;
        assert_eq!(usize::try_from(rows).unwrap(), expected, "{table}");
    }
    let capped = "SELECT count(*) FROM folder_resource WHERE int_max_cores = 10000";
    assert_eq!(count(&db.pool, capped).await, 4);
    let limited = "SELECT count(*) FROM layer_limit JOIN limit_record USING (pk_limit_record)";
    assert!(count(&db.pool, limited).await > 0);
}

#[tokio::test]
async fn every_show_is_seen_by_the_view_of_waiting_shows() {
    let (db, seeded) = seeded(&small(), 3).await;
    let mut waiting: Vec<String> = db.values("SELECT pk_show::text FROM vs_waiting").await;
    waiting.sort();
    let mut shows: Vec<String> = seeded.shows.iter().map(|show| show.id.clone()).collect();
    shows.sort();
    assert_eq!(waiting, shows);
}

#[tokio::test]
async fn hosts_are_idle_tagged_and_sized_as_cuebot_would_write_them() {
    let (db, seeded) = seeded(&small(), 4).await;
    assert_eq!(
        (seeded.hosts, seeded.cores, seeded.gpus),
        (24, 20 * 16 + 4 * 32, 8)
    );
    let busy = "
        SELECT count(*) FROM host
         WHERE int_cores <> int_cores_idle OR int_mem <> int_mem_idle OR int_gpus <> int_gpus_idle";
    assert_eq!(count(&db.pool, busy).await, 0);
    let rented = "SELECT DISTINCT int_mem FROM host WHERE int_cores = 1600";
    assert_eq!(count(&db.pool, rented).await, 66_584_576);
    let own_names = "
        SELECT count(*) FROM host_tag AS t JOIN host AS h USING (pk_host)
         WHERE t.str_tag_type = 'HOSTNAME' AND t.str_tag = h.str_name";
    assert_eq!(count(&db.pool, own_names).await, 24);
    let manual = "SELECT count(*) FROM host_tag WHERE str_tag_type = 'MANUAL'";
    assert_eq!(count(&db.pool, manual).await, 6);
    // The joined copy is what the schema's own function makes of the tags.
    db.run("CREATE TABLE before AS SELECT pk_host, str_tags FROM host")
        .await;
    db.run("SELECT recalculate_tags(pk_host) FROM host").await;
    let differ = "
        SELECT count(*) FROM host AS h JOIN before AS b USING (pk_host)
         WHERE trim(h.str_tags) <> b.str_tags";
    assert_eq!(count(&db.pool, differ).await, 0);
}

#[tokio::test]
async fn a_chunked_layer_has_a_frame_for_every_chunk_of_its_range() {
    let (db, _) = seeded(&small(), 5).await;
    let wrong = "
        SELECT count(*)
          FROM layer AS l
          JOIN layer_stat AS s USING (pk_layer)
         WHERE l.str_range <> '1-' || s.int_total_count * l.int_chunk_size
            OR (SELECT array_agg(int_number ORDER BY int_dispatch_order)
                  FROM frame AS f WHERE f.pk_layer = l.pk_layer)
               <> (SELECT array_agg(1 + n * 5 ORDER BY n)
                     FROM generate_series(0, s.int_total_count - 1) AS n)";
    assert_eq!(count(&db.pool, wrong).await, 0);
    let name = "SELECT count(*) FROM frame WHERE str_name !~ '^[0-9]{4}-[a-z]+_[0-9]$'";
    assert_eq!(count(&db.pool, name).await, 0);
}

#[tokio::test]
async fn one_seed_gives_one_farm_ids_included() {
    let (one, _) = seeded(&small(), 42).await;
    let (two, _) = seeded(&small(), 42).await;
    let (other, _) = seeded(&small(), 43).await;
    let first = fingerprint(&one.pool).await;
    assert_eq!(first, fingerprint(&two.pool).await);
    assert_ne!(first, fingerprint(&other.pool).await);
    assert!(first.iter().any(|(table, _)| table == "frame"));
}

/// Every table with a hash of its rows, less the columns that hold the time. The two tables that
/// the schema fills itself have ids of its own making.
async fn fingerprint(pool: &PgPool) -> Vec<(String, Option<String>)> {
    let tables: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT c.table_name::text,
                coalesce(array_agg(c.column_name::text) FILTER (
                    WHERE c.data_type ~ '^(timestamp|date)' OR c.column_name = 'int_ts_started'),
                    '{}')
           FROM information_schema.columns AS c
           JOIN information_schema.tables AS t USING (table_schema, table_name)
          WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
            AND c.table_name NOT IN ('config', 'task_lock')
          GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut prints = Vec::new();
    for (table, times) in tables {
        let sql = format!(
            "SELECT md5(string_agg(r, ';' ORDER BY r))
               FROM (SELECT (to_jsonb(t) - $1::text[])::text AS r FROM {table} AS t) AS rows"
        );
        let hash: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&times)
            .fetch_one(pool)
            .await
            .unwrap();
        prints.push((table, hash));
    }
    prints
}

#[tokio::test]
async fn a_fixture_is_bookable_and_its_values_are_the_ones_asked_for() {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let licence = farm.limit("houdini", 2).await.unwrap();
    let host = farm.host("h1", |host| host.cores = 800).await.unwrap();
    let job = farm
        .job("alpha-shot010-artist_comp", |job| {
            job.priority = 7;
            job.layer("fx", "general", |layer| {
                layer.frames = 3;
                layer.limits.push(licence.clone());
            });
            job.layer("comp", "general", |layer| layer.cores_min = 200);
        })
        .await
        .unwrap();
    assert_eq!(
        job.layers
            .iter()
            .map(|l| l.frames.len())
            .collect::<Vec<_>>(),
        [3, 1]
    );
    let (cores, priority, show): (i64, i32, String) = sqlx::query_as(
        "SELECT h.int_cores_idle, r.int_priority, w.pk_show::text
           FROM host AS h, job_resource AS r, vs_waiting AS w
          WHERE h.pk_host = $1 AND r.pk_job = $2",
    )
    .bind(&host)
    .bind(&job.id)
    .fetch_one(&db.pool)
    .await
    .unwrap();
    assert_eq!((cores, priority, show), (800, 7, farm.show.id.clone()));
    let first = "SELECT str_name::text FROM frame WHERE pk_frame = $1";
    let name: String = sqlx::query_scalar(first)
        .bind(&job.layers[0].frames[0])
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert_eq!(name, "0001-fx");
    let managed = "SELECT count(*) FROM show WHERE b_scheduler_managed";
    assert_eq!(count(&db.pool, managed).await, 1);
}

#[tokio::test]
async fn jobs_submitted_together_have_the_frames_of_their_own_layers() {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let job = |name: &str, frames: [i64; 2]| {
        let mut job = JobSpec::new(farm.place(), name);
        for (n, frames) in frames.into_iter().enumerate() {
            job.layer(&format!("layer{n}"), "general", |layer| {
                layer.frames = frames
            });
        }
        job
    };
    let specs = [job("first", [2, 3]), job("second", [1, 4])];
    let launched = launch_jobs(&db.pool, &specs).await.unwrap();
    let names: Vec<&str> = launched.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let layers: Vec<_> = launched.iter().flat_map(|job| &job.layers).collect();
    let counts: Vec<usize> = layers.iter().map(|layer| layer.frames.len()).collect();
    assert_eq!(counts, [2, 3, 1, 4]);
    for layer in layers {
        let frames: Vec<String> = sqlx::query_scalar(
            "SELECT pk_frame FROM frame WHERE pk_layer = $1 ORDER BY int_number",
        )
        .bind(&layer.id)
        .fetch_all(&db.pool)
        .await
        .unwrap();
        assert_eq!(layer.frames, frames);
    }
}

#[tokio::test]
async fn booking_a_seeded_frame_moves_the_counters_and_opens_its_history() {
    let db = TestDb::at(SchemaVersion::V47).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("h1", |_| ()).await.unwrap();
    let job = farm.frames("one", 2, |_| ()).await.unwrap();
    sqlx::query(
        "UPDATE frame SET str_state = 'RUNNING', str_host = 'h1', ts_started = now()
          WHERE pk_frame = $1",
    )
    .bind(&job.layers[0].frames[0])
    .execute(&db.pool)
    .await
    .unwrap();
    let moved = "
        SELECT count(*) FROM job_stat AS j, layer_stat AS l, frame_history AS h
         WHERE (j.int_waiting_count, j.int_running_count) = (1, 1)
           AND (l.int_waiting_count, l.int_running_count) = (1, 1)
           AND h.pk_alloc IS NOT NULL";
    assert_eq!(count(&db.pool, moved).await, 1);
}

#[test]
fn a_spec_that_cannot_be_is_refused_with_all_its_faults() {
    let mut spec = FarmSpec {
        shows: 0,
        ..FarmSpec::default()
    };
    spec.jobs.per_show = Span::new(5, 2);
    spec.limits.push(LimitSpec {
        name: "nuke".to_owned(),
        max: 1,
        share: 1.5,
    });
    let text = spec.check().unwrap_err().to_string();
    for key in ["shows is 0", "jobs.per_show", "limits.share"] {
        assert!(text.contains(key), "{key} in {text}");
    }
    assert!(matches!(
        FarmSpec::from_toml("hostz = 3"),
        Err(SpecError::Toml(_))
    ));
    FarmSpec::default().check().unwrap();
}

#[tokio::test]
async fn sixty_thousand_frames_on_twelve_hundred_hosts_are_seeded() {
    let mut spec = FarmSpec::default();
    spec.jobs.per_show = Span::exactly(20);
    spec.layers.per_job = Span::exactly(2);
    spec.layers.frames = Span::exactly(500);
    let db = TestDb::fresh().await;
    let begin = Instant::now();
    let seeded = seed(&db.pool, &spec, 9).await.unwrap();
    println!(
        "{} frames on {} hosts in {:?}",
        seeded.frames,
        seeded.hosts,
        begin.elapsed()
    );
    assert_eq!((seeded.frames, seeded.hosts), (60_000, 1_200));
    assert_eq!(count(&db.pool, "SELECT count(*) FROM frame").await, 60_000);
    assert_eq!(
        count(
            &db.pool,
            "SELECT sum(int_waiting_count)::bigint FROM job_stat"
        )
        .await,
        60_000
    );
}
