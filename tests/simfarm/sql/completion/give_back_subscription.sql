-- Takes released cores and GPUs off the subscription of each proc's show to its host's allocation.
WITH freed AS (
    SELECT r.pk_show, h.pk_alloc, sum(r.cores)::int4 AS cores, sum(r.gpus)::int4 AS gpus
    FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[]) AS r (pk_show, pk_host, cores, gpus)
    JOIN host h ON h.pk_host = r.pk_host
    GROUP BY r.pk_show, h.pk_alloc
), locked AS MATERIALIZED (
    SELECT s.pk_subscription, f.cores, f.gpus
    FROM subscription s
    JOIN freed f ON f.pk_show = s.pk_show AND f.pk_alloc = s.pk_alloc
    ORDER BY s.pk_subscription
    FOR NO KEY UPDATE OF s
)
UPDATE subscription s
SET int_cores = s.int_cores - l.cores, int_gpus = s.int_gpus - l.gpus
FROM locked l
WHERE s.pk_subscription = l.pk_subscription
