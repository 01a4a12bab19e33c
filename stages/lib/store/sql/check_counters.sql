-- check_counters: layers and jobs of managed shows whose counter of waiting frames is not the number of
-- their waiting frames, and how many there are. Triggers keep the counters, so both are of one moment.
-- Rows are looked up by key, one job and one layer at a time: with statistics from before the jobs came the planner
-- would go through all jobs for each frame.
-- $1 rows at most.
WITH jobs AS MATERIALIZED (
    SELECT j.pk_job, j.str_name AS job_name
    FROM job j
    JOIN show sh ON sh.pk_show = j.pk_show
    WHERE j.str_state = 'PENDING' AND sh.b_active AND sh.b_scheduler_managed
),
layers AS MATERIALIZED (
    SELECT jobs.*, l.layer_name, l.counted, frames.waiting, l.pk_layer
    FROM jobs
    CROSS JOIN LATERAL (
        SELECT l.pk_layer, l.str_name AS layer_name, ls.int_waiting_count::bigint AS counted
        FROM layer l
        JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
        WHERE l.pk_job = jobs.pk_job
        OFFSET 0
    ) l
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting FROM frame f WHERE f.pk_layer = l.pk_layer AND f.str_state || '' = 'WAITING' OFFSET 0
    ) frames
),
job_rows AS (
    SELECT jobs.*, js.counted, 0::bigint AS waiting
    FROM jobs
    CROSS JOIN LATERAL (
        SELECT js.int_waiting_count::bigint AS counted FROM job_stat js WHERE js.pk_job = jobs.pk_job OFFSET 0
    ) js
    UNION ALL
    SELECT layers.pk_job, layers.job_name, 0, layers.waiting FROM layers
),
counters AS (
    SELECT layers.job_name, layers.layer_name, layers.counted, layers.waiting, layers.pk_layer AS id FROM layers
    UNION ALL
    SELECT job_rows.job_name, NULL, sum(job_rows.counted)::bigint, sum(job_rows.waiting)::bigint, job_rows.pk_job
    FROM job_rows
    GROUP BY job_rows.pk_job, job_rows.job_name
)
SELECT counters.*, count(*) OVER () AS counters
FROM counters
WHERE counters.counted <> counters.waiting
ORDER BY counters.job_name, counters.layer_name
LIMIT $1
