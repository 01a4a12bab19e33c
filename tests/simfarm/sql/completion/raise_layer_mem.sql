-- Raises the highest memory use that any frame of the layer has shown, in KiB.
WITH seen AS (
    SELECT r.pk_layer, max(r.max_rss) AS max_rss
    FROM unnest($1::text[], $2::int8[]) AS r (pk_layer, max_rss)
    GROUP BY r.pk_layer
), locked AS MATERIALIZED (
    SELECT m.pk_layer, s.max_rss
    FROM layer_mem m
    JOIN seen s ON s.pk_layer = m.pk_layer
    WHERE m.int_max_rss < s.max_rss
    ORDER BY m.pk_layer
    FOR NO KEY UPDATE OF m
)
UPDATE layer_mem m
SET int_max_rss = greatest(m.int_max_rss, l.max_rss)
FROM locked l
WHERE m.pk_layer = l.pk_layer
