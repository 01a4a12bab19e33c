-- wanted_layers: reads layers of one show in one facility as they are now, with their jobs: those that may still run
-- under the subscriptions of the show and the caps of folder and job.
-- $1 facility, $2 show, $3 layers.
-- Each row is looked up by its key, one layer at a time, and columns that have an index of their own are spelled as
-- expressions: with statistics from before the jobs came the planner would go through all waiting rows for each layer.
WITH room AS MATERIALIZED (
    SELECT array_agg(s.pk_alloc ORDER BY s.pk_alloc) AS allocs,
           array_agg(least(s.int_burst, 4611686018427387904) - s.int_cores ORDER BY s.pk_alloc) AS cores_left
    FROM subscription s
    JOIN alloc a ON a.pk_alloc = s.pk_alloc
    JOIN show sh ON sh.pk_show = s.pk_show
    WHERE s.pk_show = $2 AND a.pk_facility = $1
      AND sh.b_active AND sh.b_scheduler_managed
      -- A burst of 0 freezes the subscription, also where its counter has drifted below zero.
      AND s.int_burst > 0 AND s.int_burst >= s.int_cores::bigint + 100
    HAVING count(*) > 0
)
SELECT j.pk_job, j.str_name AS job_name, j.pk_folder, j.pk_dept, j.str_os, jr.int_priority::bigint,
       left_of_job.cores AS job_cores_left,
       jr.int_max_gpus::bigint - jr.int_gpus AS job_gpus_left,
       CASE WHEN fr.int_max_cores = -1 THEN NULL ELSE fr.int_max_cores::bigint - fr.int_cores END AS folder_cores_left,
       CASE WHEN fr.int_max_gpus = -1 THEN NULL ELSE fr.int_max_gpus::bigint - fr.int_gpus END AS folder_gpus_left,
       room.allocs, room.cores_left,
       l.pk_layer, l.str_name AS layer_name, l.int_dispatch_order, l.int_cores_min, l.int_cores_max::bigint,
       l.int_mem_min, l.int_gpus_min, l.int_gpu_mem_min, l.b_threadable, l.str_services, l.str_tags,
       ls.int_waiting_count
FROM room
CROSS JOIN (SELECT DISTINCT unnest($3::text[]) AS pk_layer) want
CROSS JOIN LATERAL (
    SELECT l.* FROM layer l
    WHERE l.pk_layer = want.pk_layer AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
    OFFSET 0
) l
CROSS JOIN LATERAL (
    SELECT ls.int_waiting_count FROM layer_stat ls WHERE ls.pk_layer = l.pk_layer AND ls.int_waiting_count + 0 > 0
    OFFSET 0
) ls
CROSS JOIN LATERAL (
    SELECT j.pk_job, j.str_name, j.pk_folder, j.pk_dept, j.str_os FROM job j
    WHERE j.pk_job = l.pk_job AND j.str_state || '' = 'PENDING' AND j.b_paused = false
      AND j.pk_show || '' = $2 AND j.pk_facility || '' = $1
    OFFSET 0
) j
CROSS JOIN LATERAL (
    SELECT 1 FROM job_stat js WHERE js.pk_job = j.pk_job AND js.int_waiting_count + 0 > 0
    OFFSET 0
) js
CROSS JOIN LATERAL (
    SELECT jr.int_cores, jr.int_max_cores, jr.int_gpus, jr.int_max_gpus, jr.int_priority FROM job_resource jr
    WHERE jr.pk_job = j.pk_job AND jr.int_max_cores + 0 > 0 AND jr.int_cores + 0 < jr.int_max_cores
    OFFSET 0
) jr
-- Half of what a bigint holds bounds a counter, so that the difference is one as well.
CROSS JOIN LATERAL (
    SELECT jr.int_max_cores - greatest(least(jr.int_cores, 4611686018427387904), -4611686018427387904) AS cores
) left_of_job
CROSS JOIN LATERAL (
    SELECT fr.int_cores, fr.int_max_cores, fr.int_gpus, fr.int_max_gpus FROM folder_resource fr
    WHERE fr.pk_folder = j.pk_folder
      AND (fr.int_max_cores + 0 = -1 OR fr.int_max_cores + 0 > 0 AND fr.int_cores < fr.int_max_cores)
    OFFSET 0
) fr
-- By difference, for a sum with an absurd minimum would fail the query.
WHERE l.int_cores_min <= left_of_job.cores
  AND greatest(l.int_gpus_min, 0) <= jr.int_max_gpus::bigint - jr.int_gpus
