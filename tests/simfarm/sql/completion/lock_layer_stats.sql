-- The layer_stat rows that the triggers of the frames below are going to write, in key order.
SELECT ls.pk_layer
FROM layer_stat ls
WHERE ls.pk_layer IN (SELECT f.pk_layer FROM frame f WHERE f.pk_frame = ANY ($1::text[]))
ORDER BY ls.pk_layer_stat
FOR NO KEY UPDATE
