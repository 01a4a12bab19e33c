-- compare_accounts: compares the counters of active managed shows with the sums of their procs and
-- returns those that differ, each with the difference (counter less sum). One snapshot, no row lock:
-- a booking or release that is sound changes procs and counters in one transaction, so it shows no
-- difference at any moment. Shows that Cuebot keeps by itself are left out. Finished jobs are read
-- while they have procs or a counter that is not zero.
-- The advisory lock lives as long as this statement, so a replica that hangs holds nothing, and of
-- two replicas at once one compares: `mine` is false for the other. Who compares announces itself to
-- all replicas. Sums are numeric, because no value of a row may end the comparison of all others.
-- $1 the key of the lock, or NULL to compare in any case; $2 the announcement, or NULL for none;
-- $3 how many differences at most.
WITH turn AS MATERIALIZED (
    SELECT CASE WHEN $1::bigint IS NULL THEN true ELSE pg_try_advisory_xact_lock($1) END AS mine
),
announced AS MATERIALIZED (
    SELECT pg_notify('cue_accounts', $2::text) AS sent FROM turn WHERE mine AND $2 IS NOT NULL
),
shows AS MATERIALIZED (
    SELECT sh.pk_show FROM show sh
    WHERE sh.b_active AND sh.b_scheduler_managed AND (SELECT mine FROM turn)
),
held AS MATERIALIZED (
    SELECT p.pk_show, p.pk_job, p.pk_layer, h.pk_alloc, p.b_local,
           sum(p.int_cores_reserved) AS cores, sum(p.int_gpus_reserved) AS gpus
    FROM proc p
    JOIN host h ON h.pk_host = p.pk_host
    WHERE p.pk_show IN (SELECT pk_show FROM shows)
    GROUP BY p.pk_show, p.pk_job, p.pk_layer, h.pk_alloc, p.b_local
),
-- One branch an index, and from here on one look-up a job (OFFSET 0 keeps it so): a farm keeps far
-- more finished jobs than live ones, and they must not be read every time.
live AS MATERIALIZED (
    SELECT pk_job FROM job WHERE str_state <> 'FINISHED'
    UNION SELECT pk_job FROM held
    UNION SELECT pk_job FROM job_resource WHERE int_cores > 0
    UNION SELECT pk_job FROM job_resource WHERE int_cores < 0
    UNION SELECT pk_job FROM job_resource WHERE int_gpus > 0
    UNION SELECT pk_job FROM job_resource WHERE int_gpus < 0
),
found AS MATERIALIZED (
    SELECT j.*
    FROM live
    CROSS JOIN LATERAL (
        SELECT j.pk_job, j.pk_show, j.pk_folder, j.pk_dept, r.int_cores, r.int_gpus
        FROM job j
        JOIN job_resource r ON r.pk_job = j.pk_job
        WHERE j.pk_job = live.pk_job
        OFFSET 0
    ) j
    WHERE j.pk_show IN (SELECT pk_show FROM shows)
),
-- Joined to rows that are read already: the sums would be made again for each job.
jobs AS MATERIALIZED (
    SELECT j.*, coalesce(b.cores, 0) AS cores, coalesce(b.gpus, 0) AS gpus
    FROM found j
    LEFT JOIN (SELECT pk_job, sum(cores) AS cores, sum(gpus) AS gpus FROM held WHERE NOT b_local GROUP BY pk_job) b
      ON b.pk_job = j.pk_job
),
layers AS MATERIALIZED (
    SELECT r.*
    FROM jobs j
    CROSS JOIN LATERAL (
        SELECT r.pk_layer, r.int_cores, r.int_gpus FROM layer_resource r WHERE r.pk_job = j.pk_job OFFSET 0
    ) r
),
compared AS (
    SELECT 'subscription' AS kind, s.pk_show AS id, s.pk_alloc AS other_id,
           s.int_cores - coalesce(w.cores, 0) AS cores, s.int_gpus - coalesce(w.gpus, 0) AS gpus
    FROM subscription s
    LEFT JOIN (SELECT pk_show, pk_alloc, sum(cores) AS cores, sum(gpus) AS gpus
               FROM held WHERE NOT b_local GROUP BY pk_show, pk_alloc) w
      ON w.pk_show = s.pk_show AND w.pk_alloc = s.pk_alloc
    WHERE s.pk_show IN (SELECT pk_show FROM shows)
    UNION ALL
    SELECT 'layer_resource', r.pk_layer, NULL, r.int_cores - coalesce(w.cores, 0), r.int_gpus - coalesce(w.gpus, 0)
    FROM layers r
    LEFT JOIN (SELECT pk_layer, sum(cores) AS cores, sum(gpus) AS gpus FROM held GROUP BY pk_layer) w
      ON w.pk_layer = r.pk_layer
    UNION ALL
    SELECT 'job_resource', pk_job, NULL, int_cores - cores, int_gpus - gpus FROM jobs
    UNION ALL
    SELECT 'folder_resource', r.pk_folder, NULL, r.int_cores - coalesce(w.cores, 0), r.int_gpus - coalesce(w.gpus, 0)
    FROM folder f
    JOIN folder_resource r ON r.pk_folder = f.pk_folder
    LEFT JOIN (SELECT pk_folder, sum(cores) AS cores, sum(gpus) AS gpus FROM jobs GROUP BY pk_folder) w
      ON w.pk_folder = r.pk_folder
    WHERE f.pk_show IN (SELECT pk_show FROM shows)
    UNION ALL
    SELECT 'point', p.pk_dept, p.pk_show, p.int_cores - coalesce(w.cores, 0), p.int_gpus - coalesce(w.gpus, 0)
    FROM point p
    LEFT JOIN (SELECT pk_show, pk_dept, sum(cores) AS cores, sum(gpus) AS gpus FROM jobs GROUP BY pk_show, pk_dept) w
      ON w.pk_show = p.pk_show AND w.pk_dept = p.pk_dept
    WHERE p.pk_show IN (SELECT pk_show FROM shows)
)
SELECT turn.mine, pg_backend_pid() AS session, (SELECT count(*) FROM announced) AS announced,
       d.kind::text AS kind, d.id::text AS id, d.other_id::text AS other_id, d.cores::float8 AS cores, d.gpus::float8 AS gpus
FROM turn
LEFT JOIN LATERAL (SELECT * FROM compared WHERE cores <> 0 OR gpus <> 0 LIMIT $3::bigint) d ON true
