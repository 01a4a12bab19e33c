-- stale_counters: which counters of active managed shows are not what their procs add up to. It
-- reads one snapshot and locks nothing: whoever keeps the tables changes procs and counters in one
-- transaction, so a difference that is seen here is a real one. Shows that Cuebot keeps by itself
-- are none of our business. Finished jobs are looked at while they still count something.
-- $1 how many at most.
WITH shows AS MATERIALIZED (
    SELECT sh.pk_show FROM show sh WHERE sh.b_active AND sh.b_scheduler_managed
),
held AS MATERIALIZED (
    SELECT p.pk_show, p.pk_job, p.pk_layer, h.pk_alloc, p.b_local,
           sum(p.int_cores_reserved)::bigint AS cores, sum(p.int_gpus_reserved)::bigint AS gpus
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
jobs AS MATERIALIZED (
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
layers AS MATERIALIZED (
    SELECT r.*
    FROM jobs j
    CROSS JOIN LATERAL (
        SELECT r.pk_layer, r.int_cores, r.int_gpus FROM layer_resource r WHERE r.pk_job = j.pk_job OFFSET 0
    ) r
),
by_job AS MATERIALIZED (
    SELECT pk_job, sum(cores) AS cores, sum(gpus) AS gpus FROM held WHERE NOT b_local GROUP BY pk_job
),
stale AS (
    SELECT 'subscription' AS kind, s.pk_show AS id, s.pk_alloc AS other_id
    FROM subscription s
    LEFT JOIN (SELECT pk_show, pk_alloc, sum(cores) AS cores, sum(gpus) AS gpus
               FROM held WHERE NOT b_local GROUP BY pk_show, pk_alloc) w
      ON w.pk_show = s.pk_show AND w.pk_alloc = s.pk_alloc
    WHERE s.pk_show IN (SELECT pk_show FROM shows)
      AND (s.int_cores <> coalesce(w.cores, 0) OR s.int_gpus <> coalesce(w.gpus, 0))
    UNION ALL
    SELECT 'layer_resource', r.pk_layer, NULL
    FROM layers r
    LEFT JOIN (SELECT pk_layer, sum(cores) AS cores, sum(gpus) AS gpus FROM held GROUP BY pk_layer) w
      ON w.pk_layer = r.pk_layer
    WHERE r.int_cores <> coalesce(w.cores, 0) OR r.int_gpus <> coalesce(w.gpus, 0)
    UNION ALL
    SELECT 'job_resource', r.pk_job, NULL
    FROM jobs r
    LEFT JOIN by_job w ON w.pk_job = r.pk_job
    WHERE r.int_cores <> coalesce(w.cores, 0) OR r.int_gpus <> coalesce(w.gpus, 0)
    UNION ALL
    SELECT 'folder_resource', r.pk_folder, NULL
    FROM folder f
    JOIN folder_resource r ON r.pk_folder = f.pk_folder
    LEFT JOIN (SELECT j.pk_folder, sum(b.cores) AS cores, sum(b.gpus) AS gpus
               FROM by_job b JOIN jobs j ON j.pk_job = b.pk_job GROUP BY j.pk_folder) w
      ON w.pk_folder = r.pk_folder
    WHERE f.pk_show IN (SELECT pk_show FROM shows)
      AND (r.int_cores <> coalesce(w.cores, 0) OR r.int_gpus <> coalesce(w.gpus, 0))
    UNION ALL
    SELECT 'point', p.pk_dept, p.pk_show
    FROM point p
    LEFT JOIN (SELECT j.pk_show, j.pk_dept, sum(b.cores) AS cores, sum(b.gpus) AS gpus
               FROM by_job b JOIN jobs j ON j.pk_job = b.pk_job GROUP BY j.pk_show, j.pk_dept) w
      ON w.pk_show = p.pk_show AND w.pk_dept = p.pk_dept
    WHERE p.pk_show IN (SELECT pk_show FROM shows)
      AND (p.int_cores <> coalesce(w.cores, 0) OR p.int_gpus <> coalesce(w.gpus, 0))
)
SELECT kind::text AS kind, id::text AS id, other_id::text AS other_id FROM stale LIMIT $1::bigint
