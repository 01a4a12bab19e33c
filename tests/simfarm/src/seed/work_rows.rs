//! The rows of work: jobs, layers and frames.
//!
//! The triggers make the statistics, resource and history rows of a job and a layer. Frames are
//! written as WAITING, which no trigger counts, so the counters are written here, just as
//! Cuebot's activation does.
//!
//! Invariant: the caller's transaction sees a job PENDING only when all of it is there.

use sqlx::PgConnection;

use super::rows::column;

/// A job; amounts in centicores and GPUs.
#[derive(Clone, Debug)]
pub(super) struct JobRow {
    pub id: String,
    pub folder: String,
    pub show: String,
    pub show_name: String,
    pub facility: String,
    pub dept: String,
    pub name: String,
    pub shot: String,
    pub user: String,
    pub uid: Option<i64>,
    pub priority: i32,
    pub max_cores: i32,
    pub max_gpus: i32,
    pub max_retries: i16,
    pub paused: bool,
    pub autoeat: bool,
    pub os: Option<String>,
    pub log_dir: String,
    pub env: Vec<(String, String)>,
    pub layers: Vec<LayerRow>,
}

/// A layer; amounts in centicores, KiB and GPUs.
#[derive(Clone, Debug)]
pub(super) struct LayerRow {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub command: String,
    pub order: i64,
    /// Rows of `frame`, each a chunk of `chunk` frame numbers.
    pub frames: i64,
    pub chunk: i64,
    pub cores_min: i64,
    pub cores_max: i32,
    pub mem_min: i64,
    pub gpus_min: i64,
    pub gpu_mem_min: i64,
    pub threadable: bool,
    pub tags: String,
    pub limits: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// A layer together with the id of its job.
type OfJob<'a> = (&'a str, &'a LayerRow);

/// Writes jobs with their layers and frames, and makes them PENDING last.
pub(super) async fn insert_jobs(conn: &mut PgConnection, jobs: &[JobRow]) -> sqlx::Result<()> {
    insert_job_rows(conn, jobs).await?;
    insert_job_env(conn, jobs).await?;
    let layers: Vec<OfJob> = jobs
        .iter()
        .flat_map(|job| job.layers.iter().map(|layer| (job.id.as_str(), layer)))
        .collect();
    insert_layers(conn, &layers).await?;
    insert_layer_env(conn, &layers).await?;
    insert_limits_of_layers(conn, &layers).await?;
    insert_frames(conn, &layers).await?;
    count_layers(conn, &layers).await?;
    activate(conn, jobs).await
}

async fn insert_job_rows(conn: &mut PgConnection, jobs: &[JobRow]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name,
                          str_visible_name, str_shot, str_user, int_uid, str_os, str_log_dir,
                          str_show, int_max_retries, b_paused, b_autoeat, str_state)
         SELECT j.id, j.folder, j.show, j.facility, j.dept, j.name, j.name, j.shot, j.login, j.uid,
                j.os, j.log_dir, j.show_name, j.retries, j.paused, j.autoeat, 'STARTUP'
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                       $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[],
                       $12::text[], $13::smallint[], $14::bool[], $15::bool[])
                AS j (id, folder, show, facility, dept, name, shot, login, uid, os, log_dir,
                      show_name, retries, paused, autoeat)",
    )
    .bind(column(jobs, |job| job.id.as_str()))
    .bind(column(jobs, |job| job.folder.as_str()))
    .bind(column(jobs, |job| job.show.as_str()))
    .bind(column(jobs, |job| job.facility.as_str()))
    .bind(column(jobs, |job| job.dept.as_str()))
    .bind(column(jobs, |job| job.name.as_str()))
    .bind(column(jobs, |job| job.shot.as_str()))
    .bind(column(jobs, |job| job.user.as_str()))
    .bind(column(jobs, |job| job.uid))
    .bind(column(jobs, |job| job.os.as_deref()))
    .bind(column(jobs, |job| job.log_dir.as_str()))
    .bind(column(jobs, |job| job.show_name.as_str()))
    .bind(column(jobs, |job| job.max_retries))
    .bind(column(jobs, |job| job.paused))
    .bind(column(jobs, |job| job.autoeat))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE job_resource AS r
            SET int_max_cores = j.cores, int_max_gpus = j.gpus, int_priority = j.priority
           FROM unnest($1::text[], $2::int[], $3::int[], $4::int[])
                AS j (id, cores, gpus, priority)
          WHERE r.pk_job = j.id",
    )
    .bind(column(jobs, |job| job.id.as_str()))
    .bind(column(jobs, |job| job.max_cores))
    .bind(column(jobs, |job| job.max_gpus))
    .bind(column(jobs, |job| job.priority))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_job_env(conn: &mut PgConnection, jobs: &[JobRow]) -> sqlx::Result<()> {
    let vars: Vec<(&str, &(String, String))> = jobs
        .iter()
        .flat_map(|job| job.env.iter().map(|var| (job.id.as_str(), var)))
        .collect();
    sqlx::query(
        "INSERT INTO job_env (pk_job_env, pk_job, str_key, str_value)
         SELECT md5(e.job || e.key)::uuid::text, e.job, e.key, e.value
           FROM unnest($1::text[], $2::text[], $3::text[]) AS e (job, key, value)",
    )
    .bind(column(&vars, |var| var.0))
    .bind(column(&vars, |var| var.1.0.as_str()))
    .bind(column(&vars, |var| var.1.1.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_layers(conn: &mut PgConnection, layers: &[OfJob<'_>]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO layer (pk_layer, pk_job, str_name, str_type, str_cmd, str_range, str_tags,
                            int_chunk_size, int_dispatch_order, int_cores_min, int_cores_max,
                            int_mem_min, int_gpus_min, int_gpus_max, int_gpu_mem_min, b_threadable)
         SELECT l.id, l.job, l.name, l.kind, l.cmd, '1-' || greatest(l.frames * l.chunk, 1),
                l.tags, l.chunk, l.place, l.cores, l.cores_max, l.mem, l.gpus, l.gpus, l.gpu_mem,
                l.threadable
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                       $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::int[],
                       $12::bigint[], $13::bigint[], $14::bigint[], $15::bool[])
                AS l (id, job, name, kind, cmd, tags, frames, chunk, place, cores, cores_max,
                      mem, gpus, gpu_mem, threadable)",
    )
    .bind(column(layers, |layer| layer.1.id.as_str()))
    .bind(column(layers, |layer| layer.0))
    .bind(column(layers, |layer| layer.1.name.as_str()))
    .bind(column(layers, |layer| layer.1.kind.as_str()))
    .bind(column(layers, |layer| layer.1.command.as_str()))
    .bind(column(layers, |layer| layer.1.tags.as_str()))
    .bind(column(layers, |layer| layer.1.frames))
    .bind(column(layers, |layer| layer.1.chunk))
    .bind(column(layers, |layer| layer.1.order))
    .bind(column(layers, |layer| layer.1.cores_min))
    .bind(column(layers, |layer| layer.1.cores_max))
    .bind(column(layers, |layer| layer.1.mem_min))
    .bind(column(layers, |layer| layer.1.gpus_min))
    .bind(column(layers, |layer| layer.1.gpu_mem_min))
    .bind(column(layers, |layer| layer.1.threadable))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_layer_env(conn: &mut PgConnection, layers: &[OfJob<'_>]) -> sqlx::Result<()> {
    let vars: Vec<(&OfJob, &(String, String))> = layers
        .iter()
        .flat_map(|layer| layer.1.env.iter().map(move |var| (layer, var)))
        .collect();
    sqlx::query(
        "INSERT INTO layer_env (pk_layer_env, pk_layer, pk_job, str_key, str_value)
         SELECT md5(e.layer || e.key)::uuid::text, e.layer, e.job, e.key, e.value
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
                AS e (layer, job, key, value)",
    )
    .bind(column(&vars, |var| var.0.1.id.as_str()))
    .bind(column(&vars, |var| var.0.0))
    .bind(column(&vars, |var| var.1.0.as_str()))
    .bind(column(&vars, |var| var.1.1.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_limits_of_layers(
    conn: &mut PgConnection,
    layers: &[OfJob<'_>],
) -> sqlx::Result<()> {
    let pairs: Vec<(&str, &str)> = layers
        .iter()
        .flat_map(|(_, layer)| {
            layer
                .limits
                .iter()
                .map(|id| (layer.id.as_str(), id.as_str()))
        })
        .collect();
    sqlx::query(
        "INSERT INTO layer_limit (pk_layer_limit, pk_layer, pk_limit_record)
         SELECT md5(p.layer || p.record)::uuid::text, p.layer, p.record
           FROM unnest($1::text[], $2::text[]) AS p (layer, record)",
    )
    .bind(column(&pairs, |pair| pair.0))
    .bind(column(&pairs, |pair| pair.1))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the frames of all layers in one statement, in dispatch order.
///
/// An id is made of the layer and the number and shaped like a random UUID, so that one seed
/// gives one set of ids without sending them.
async fn insert_frames(conn: &mut PgConnection, layers: &[OfJob<'_>]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO frame (pk_frame, pk_layer, pk_job, str_name, str_state, int_number,
                            int_dispatch_order, int_layer_order, ts_updated)
         SELECT overlay(overlay(f.hash PLACING '4' FROM 13) PLACING '8' FROM 17)::uuid::text,
                f.layer, f.job,
                lpad(f.number::text, greatest(4, length(f.number::text)), '0') || '-' || f.name,
                'WAITING', f.number, f.step, f.place, current_timestamp
           FROM (SELECT l.id AS layer, l.job, l.name, l.place, l.line, step,
                        1 + step * l.chunk AS number,
                        md5(l.id || '/' || step) AS hash
                   FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                               $6::bigint[])
                        WITH ORDINALITY AS l (id, job, name, frames, chunk, place, line)
                  CROSS JOIN generate_series(0, l.frames - 1) AS step) AS f
          ORDER BY f.line, f.step",
    )
    .bind(column(layers, |layer| layer.1.id.as_str()))
    .bind(column(layers, |layer| layer.0))
    .bind(column(layers, |layer| layer.1.name.as_str()))
    .bind(column(layers, |layer| layer.1.frames))
    .bind(column(layers, |layer| layer.1.chunk))
    .bind(column(layers, |layer| layer.1.order))
    .execute(conn)
    .await?;
    Ok(())
}

async fn count_layers(conn: &mut PgConnection, layers: &[OfJob<'_>]) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE layer_stat AS s
            SET int_total_count = l.frames, int_waiting_count = l.frames
           FROM unnest($1::text[], $2::bigint[]) AS l (id, frames)
          WHERE s.pk_layer = l.id",
    )
    .bind(column(layers, |layer| layer.1.id.as_str()))
    .bind(column(layers, |layer| layer.1.frames))
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts the jobs' frames, also for their shows, and makes the jobs PENDING.
async fn activate(conn: &mut PgConnection, jobs: &[JobRow]) -> sqlx::Result<()> {
    let ids = column(jobs, |job| job.id.as_str());
    let frames = column(jobs, |job| {
        job.layers.iter().map(|layer| layer.frames).sum::<i64>()
    });
    let layers = column(jobs, |job| {
        i32::try_from(job.layers.len()).unwrap_or(i32::MAX)
    });
    sqlx::query(
        "UPDATE job_stat AS s SET int_waiting_count = j.frames
           FROM unnest($1::text[], $2::bigint[]) AS j (id, frames)
          WHERE s.pk_job = j.id",
    )
    .bind(&ids)
    .bind(&frames)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE show_stats AS s
            SET int_job_insert_count = s.int_job_insert_count + j.jobs,
                int_frame_insert_count = s.int_frame_insert_count + j.frames
           FROM (SELECT show, count(*) AS jobs, sum(frames)::bigint AS frames
                   FROM unnest($1::text[], $2::bigint[]) AS u (show, frames)
                  GROUP BY show) AS j
          WHERE s.pk_show = j.show",
    )
    .bind(column(jobs, |job| job.show.as_str()))
    .bind(&frames)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE job
            SET str_state = 'PENDING', int_frame_count = j.frames, int_layer_count = j.layers
           FROM unnest($1::text[], $2::bigint[], $3::int[]) AS j (id, frames, layers)
          WHERE pk_job = j.id",
    )
    .bind(&ids)
    .bind(&frames)
    .bind(&layers)
    .execute(conn)
    .await?;
    Ok(())
}
