-- Counts ended frames on their shows.
WITH ended AS (
    SELECT j.pk_show, count(*) FILTER (WHERE r.good) AS good, count(*) FILTER (WHERE NOT r.good) AS bad
    FROM unnest($1::text[], $2::bool[]) AS r (pk_job, good)
    JOIN job j ON j.pk_job = r.pk_job
    GROUP BY j.pk_show
), locked AS MATERIALIZED (
    SELECT s.pk_show, e.good, e.bad
    FROM show_stats s
    JOIN ended e ON e.pk_show = s.pk_show
    ORDER BY s.pk_show
    FOR NO KEY UPDATE OF s
)
UPDATE show_stats s
SET int_frame_success_count = s.int_frame_success_count + l.good,
    int_frame_fail_count = s.int_frame_fail_count + l.bad
FROM locked l
WHERE s.pk_show = l.pk_show
