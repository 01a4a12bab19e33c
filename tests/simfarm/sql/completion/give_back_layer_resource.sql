-- Takes released cores and GPUs off the layers that held them.
WITH freed AS (
    SELECT r.pk_layer, sum(r.cores)::int8 AS cores, sum(r.gpus)::int4 AS gpus
    FROM unnest($1::text[], $2::int8[], $3::int8[]) AS r (pk_layer, cores, gpus)
    GROUP BY r.pk_layer
), locked AS MATERIALIZED (
    SELECT r.pk_layer, f.cores, f.gpus
    FROM layer_resource r
    JOIN freed f ON f.pk_layer = r.pk_layer
    ORDER BY r.pk_layer_resource
    FOR NO KEY UPDATE OF r
)
UPDATE layer_resource r
SET int_cores = r.int_cores - l.cores, int_gpus = r.int_gpus - l.gpus
FROM locked l
WHERE r.pk_layer = l.pk_layer
