-- After a memory failure the layer asks for what the frame had and 2 GiB more, in KiB.
WITH failed AS (
    SELECT r.pk_layer, max(r.mem) + 2097152 AS mem
    FROM unnest($1::text[], $2::int8[]) AS r (pk_layer, mem)
    GROUP BY r.pk_layer
), locked AS MATERIALIZED (
    SELECT y.pk_layer, f.mem
    FROM layer y
    JOIN failed f ON f.pk_layer = y.pk_layer
    ORDER BY y.pk_layer
    FOR NO KEY UPDATE OF y
)
UPDATE layer y
SET int_mem_min = greatest(y.int_mem_min, l.mem)
FROM locked l
WHERE y.pk_layer = l.pk_layer
