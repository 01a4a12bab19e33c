-- Raises the highest memory use that any frame of the job has shown, in KiB.
WITH seen AS (
    SELECT r.pk_job, max(r.max_rss) AS max_rss
    FROM unnest($1::text[], $2::int8[]) AS r (pk_job, max_rss)
    GROUP BY r.pk_job
), locked AS MATERIALIZED (
    SELECT m.pk_job, s.max_rss
    FROM job_mem m
    JOIN seen s ON s.pk_job = m.pk_job
    WHERE m.int_max_rss < s.max_rss
    ORDER BY m.pk_job
    FOR NO KEY UPDATE OF m
)
UPDATE job_mem m
SET int_max_rss = greatest(m.int_max_rss, l.max_rss)
FROM locked l
WHERE m.pk_job = l.pk_job
