-- charge_counters: adds what a booking takes to the five tables of accounting. Their rows are locked
-- by lock_counters, and admission has let the sums pass, so nothing is waited for here. A counter that was wrong
-- before and would leave the range of its column stays at the end of it until it is healed.
-- $1 shows, $2 allocations, $3 layers, $4 jobs, $5 folders, $6 departments, $7 centicores, $8 GPUs,
-- all of one length: what each layer takes in each allocation.
WITH charge AS MATERIALIZED (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
         AS c(pk_show, pk_alloc, pk_layer, pk_job, pk_folder, pk_dept, cores, gpus)
),
subscriptions AS (
    UPDATE subscription s
    SET int_cores = least(s.int_cores + c.cores, 2147483647)::int,
        int_gpus = least(s.int_gpus + c.gpus, 2147483647)::int
    FROM (SELECT pk_show, pk_alloc, sum(cores) AS cores, sum(gpus) AS gpus FROM charge GROUP BY pk_show, pk_alloc) c
    WHERE s.pk_show = c.pk_show AND s.pk_alloc = c.pk_alloc
),
layers AS (
    UPDATE layer_resource r
    SET int_cores = least(r.int_cores + c.cores, 9223372036854775807)::bigint,
        int_gpus = least(r.int_gpus + c.gpus, 2147483647)::int
    FROM (SELECT pk_layer, sum(cores) AS cores, sum(gpus) AS gpus FROM charge GROUP BY pk_layer) c
    WHERE r.pk_layer = c.pk_layer
),
jobs AS (
    UPDATE job_resource r
    SET int_cores = least(r.int_cores + c.cores, 9223372036854775807)::bigint,
        int_gpus = least(r.int_gpus + c.gpus, 2147483647)::int
    FROM (SELECT pk_job, sum(cores) AS cores, sum(gpus) AS gpus FROM charge GROUP BY pk_job) c
    WHERE r.pk_job = c.pk_job
),
folders AS (
    UPDATE folder_resource r
    SET int_cores = least(r.int_cores + c.cores, 2147483647)::int,
        int_gpus = least(r.int_gpus + c.gpus, 2147483647)::int
    FROM (SELECT pk_folder, sum(cores) AS cores, sum(gpus) AS gpus FROM charge GROUP BY pk_folder) c
    WHERE r.pk_folder = c.pk_folder
)
UPDATE point r
SET int_cores = least(r.int_cores + c.cores, 2147483647)::int,
    int_gpus = least(r.int_gpus + c.gpus, 2147483647)::int
FROM (SELECT pk_dept, pk_show, sum(cores) AS cores, sum(gpus) AS gpus FROM charge GROUP BY pk_dept, pk_show) c
WHERE r.pk_dept = c.pk_dept AND r.pk_show = c.pk_show
