-- Takes released cores and GPUs off the jobs that held them.
WITH freed AS (
    SELECT r.pk_job, sum(r.cores)::int8 AS cores, sum(r.gpus)::int4 AS gpus
    FROM unnest($1::text[], $2::int8[], $3::int8[]) AS r (pk_job, cores, gpus)
    GROUP BY r.pk_job
), locked AS MATERIALIZED (
    SELECT r.pk_job, f.cores, f.gpus
    FROM job_resource r
    JOIN freed f ON f.pk_job = r.pk_job
    ORDER BY r.pk_job_resource
    FOR NO KEY UPDATE OF r
)
UPDATE job_resource r
SET int_cores = r.int_cores - l.cores, int_gpus = r.int_gpus - l.gpus
FROM locked l
WHERE r.pk_job = l.pk_job
