-- check_counters: layers and jobs of managed shows whose counter of waiting frames is not the number of
-- their waiting frames, and how many there are. Triggers keep the counters, so both are of one moment.
-- $1 rows at most.
WITH jobs AS (
    SELECT j.pk_job, j.str_name
    FROM job j
    JOIN show sh ON sh.pk_show = j.pk_show
    WHERE j.str_state = 'PENDING' AND sh.b_active AND sh.b_scheduler_managed
),
frames AS (
    SELECT f.pk_job, f.pk_layer, count(*) AS waiting
    FROM frame f
    JOIN jobs ON jobs.pk_job = f.pk_job
    WHERE f.str_state = 'WAITING'
    GROUP BY f.pk_job, f.pk_layer
),
counters AS (
    SELECT jobs.str_name AS job_name, l.str_name AS layer_name, ls.int_waiting_count::bigint AS counted,
           coalesce(frames.waiting, 0) AS waiting, l.pk_layer AS id
    FROM jobs
    JOIN layer l ON l.pk_job = jobs.pk_job
    JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
    LEFT JOIN frames ON frames.pk_layer = l.pk_layer
    UNION ALL
    SELECT jobs.str_name, NULL, js.int_waiting_count, coalesce(sums.waiting, 0), jobs.pk_job
    FROM jobs
    JOIN job_stat js ON js.pk_job = jobs.pk_job
    LEFT JOIN (
        SELECT frames.pk_job, sum(frames.waiting)::bigint AS waiting FROM frames GROUP BY frames.pk_job
    ) sums ON sums.pk_job = jobs.pk_job
)
SELECT counters.*, count(*) OVER () AS counters
FROM counters
WHERE counters.counted <> counters.waiting
ORDER BY counters.job_name, counters.layer_name
LIMIT $1
