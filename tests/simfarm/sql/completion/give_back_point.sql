-- Takes released cores and GPUs off the department of each job, within its show.
WITH freed AS (
    SELECT j.pk_show, j.pk_dept, sum(r.cores)::int4 AS cores, sum(r.gpus)::int4 AS gpus
    FROM unnest($1::text[], $2::int8[], $3::int8[]) AS r (pk_job, cores, gpus)
    JOIN job j ON j.pk_job = r.pk_job
    GROUP BY j.pk_show, j.pk_dept
), locked AS MATERIALIZED (
    SELECT p.pk_point, f.cores, f.gpus
    FROM point p
    JOIN freed f ON f.pk_show = p.pk_show AND f.pk_dept = p.pk_dept
    ORDER BY p.pk_point
    FOR NO KEY UPDATE OF p
)
UPDATE point p
SET int_cores = p.int_cores - l.cores, int_gpus = p.int_gpus - l.gpus
FROM locked l
WHERE p.pk_point = l.pk_point
