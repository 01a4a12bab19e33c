-- Takes released cores and GPUs off the folders that the jobs are in now.
WITH freed AS (
    SELECT j.pk_folder, sum(r.cores)::int4 AS cores, sum(r.gpus)::int4 AS gpus
    FROM unnest($1::text[], $2::int8[], $3::int8[]) AS r (pk_job, cores, gpus)
    JOIN job j ON j.pk_job = r.pk_job
    GROUP BY j.pk_folder
), locked AS MATERIALIZED (
    SELECT fr.pk_folder_resource, f.cores, f.gpus
    FROM folder_resource fr
    JOIN freed f ON f.pk_folder = fr.pk_folder
    ORDER BY fr.pk_folder_resource
    FOR NO KEY UPDATE OF fr
)
UPDATE folder_resource fr
SET int_cores = fr.int_cores - l.cores, int_gpus = fr.int_gpus - l.gpus
FROM locked l
WHERE fr.pk_folder_resource = l.pk_folder_resource
