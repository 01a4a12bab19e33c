-- active_tags: where there is work that a turn could find: facility, show, tags of layers as they are
-- written, how many frames wait there, and when the newest job began.
-- $1 facility name, or NULL for all of them.
-- Everything asked here pending_layers asks too, so no cluster with work is left out. The shows and
-- jobs come first and are few; the order is fixed because without statistics the planner takes the
-- pending jobs for two.
WITH shows AS MATERIALIZED (
    SELECT DISTINCT s.pk_show, a.pk_facility
    FROM subscription s
    JOIN alloc a ON a.pk_alloc = s.pk_alloc
    JOIN facility fa ON fa.pk_facility = a.pk_facility
    JOIN show sh ON sh.pk_show = s.pk_show
    WHERE sh.b_active AND sh.b_scheduler_managed
      AND s.int_burst > 0 AND s.int_burst - s.int_cores >= 100
      AND ($1::text IS NULL OR fa.str_name = $1)
),
jobs AS MATERIALIZED (
    SELECT j.pk_job, j.pk_facility, j.pk_show, j.ts_started
    FROM shows
    JOIN job j ON j.pk_show = shows.pk_show AND j.pk_facility = shows.pk_facility
        AND j.str_state = 'PENDING' AND j.b_paused = false
    JOIN job_stat js ON js.pk_job = j.pk_job AND js.int_waiting_count > 0
    JOIN job_resource jr ON jr.pk_job = j.pk_job AND jr.int_max_cores > 0 AND jr.int_cores < jr.int_max_cores
)
SELECT jobs.pk_facility, jobs.pk_show, l.str_tags, sum(ls.int_waiting_count)::bigint AS waiting,
       (extract(epoch FROM max(jobs.ts_started)) * 1000000)::bigint AS newest_us
FROM jobs
JOIN layer_stat ls ON ls.pk_job = jobs.pk_job AND ls.int_waiting_count > 0
JOIN layer l ON l.pk_layer = ls.pk_layer
WHERE l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp
GROUP BY jobs.pk_facility, jobs.pk_show, l.str_tags
