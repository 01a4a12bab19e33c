-- pending_layers: the jobs of one cluster that could run now, with their dispatchable layers.
-- $1 facility, $2 show, $3 tags without blanks, $4 jobs to skip, $5 jobs at most, $6 layers at most,
-- $7 layers of the first job to skip.
-- The tags are compared without blanks because that is the indexed expression; the caller
-- compares them exactly.
WITH room AS MATERIALIZED (
    SELECT array_agg(s.pk_alloc ORDER BY s.pk_alloc) AS allocs,
           array_agg(s.int_burst - s.int_cores ORDER BY s.pk_alloc) AS rests
    FROM subscription s
    JOIN alloc a ON a.pk_alloc = s.pk_alloc
    JOIN show sh ON sh.pk_show = s.pk_show
    WHERE s.pk_show = $2 AND a.pk_facility = $1
      AND sh.b_active AND sh.b_scheduler_managed
      -- A burst of 0 freezes the subscription, also where its counter has drifted below zero.
      AND s.int_burst > 0 AND s.int_burst - s.int_cores >= 100
    HAVING count(*) > 0
),
jobs AS MATERIALIZED (
    SELECT j.pk_job, j.str_name, j.pk_folder, j.pk_dept, j.str_os, j.ts_started,
           jr.int_priority,
           jr.int_max_cores - jr.int_cores AS job_cores_rest,
           -- The widest cap less a counter below zero is more than the columns hold.
           jr.int_max_gpus::bigint - jr.int_gpus AS job_gpus_rest,
           CASE WHEN fr.int_max_cores = -1 THEN NULL ELSE fr.int_max_cores::bigint - fr.int_cores END AS folder_cores_rest,
           CASE WHEN fr.int_max_gpus = -1 THEN NULL ELSE fr.int_max_gpus::bigint - fr.int_gpus END AS folder_gpus_rest,
           room.allocs, room.rests
    FROM room
    JOIN job j ON j.pk_show = $2 AND j.pk_facility = $1 AND j.str_state = 'PENDING' AND j.b_paused = false
    JOIN job_stat js ON js.pk_job = j.pk_job AND js.int_waiting_count > 0
    JOIN job_resource jr ON jr.pk_job = j.pk_job AND jr.int_max_cores > 0 AND jr.int_cores < jr.int_max_cores
    JOIN folder_resource fr ON fr.pk_folder = j.pk_folder
        AND (fr.int_max_cores = -1 OR fr.int_max_cores > 0 AND fr.int_cores < fr.int_max_cores)
    WHERE EXISTS (
        SELECT 1
        FROM layer l
        JOIN layer_stat ls ON ls.pk_layer = l.pk_layer AND ls.int_waiting_count > 0
        WHERE l.pk_job = j.pk_job
          AND string_to_array(replace(l.str_tags, ' ', ''), '|') && $3::text[]
          AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
          -- By difference, for a sum with an absurd minimum would fail the query of the whole cluster.
          AND l.int_cores_min <= jr.int_max_cores - jr.int_cores
          AND greatest(l.int_gpus_min, 0) <= jr.int_max_gpus::bigint - jr.int_gpus
    )
    ORDER BY jr.int_priority DESC, j.ts_started, j.pk_job
    OFFSET $4 LIMIT $5
),
-- Layers are passed over below, so what comes of the page does not tell which jobs were on it.
page AS MATERIALIZED (
    SELECT jobs.*, row_number() OVER (ORDER BY int_priority DESC, ts_started, pk_job) AS place,
           count(*) OVER () AS of
    FROM jobs
)
SELECT jobs.place, jobs.of, jobs.pk_job, jobs.str_name AS job_name, jobs.pk_folder, jobs.pk_dept, jobs.str_os, jobs.int_priority::bigint,
       jobs.job_cores_rest, jobs.job_gpus_rest, jobs.folder_cores_rest, jobs.folder_gpus_rest,
       jobs.allocs, jobs.rests,
       l.pk_layer, l.str_name AS layer_name, l.int_dispatch_order, l.int_cores_min, l.int_cores_max::bigint,
       l.int_mem_min, l.int_gpus_min, l.int_gpu_mem_min, l.b_threadable, l.str_services, l.str_tags,
       ls.int_waiting_count
FROM page jobs
JOIN layer l ON l.pk_job = jobs.pk_job
JOIN layer_stat ls ON ls.pk_layer = l.pk_layer AND ls.int_waiting_count > 0
WHERE string_to_array(replace(l.str_tags, ' ', ''), '|') && $3::text[]
  AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
  AND jobs.job_cores_rest >= l.int_cores_min
  AND jobs.job_gpus_rest >= greatest(l.int_gpus_min, 0)
ORDER BY jobs.int_priority DESC, jobs.ts_started, jobs.pk_job, l.int_dispatch_order, l.pk_layer
OFFSET $7 LIMIT $6
