-- An activated layer has as many frame rows as it was given.
SELECT format('layer %s was given %s frames and has %s', s.pk_layer, s.int_total_count, coalesce(f.frames, 0)) AS detail
FROM layer_stat s
JOIN job j ON j.pk_job = s.pk_job
LEFT JOIN (SELECT pk_layer, count(*) AS frames FROM frame GROUP BY pk_layer) f ON f.pk_layer = s.pk_layer
WHERE j.str_state IN ('PENDING', 'FINISHED') AND s.int_total_count <> coalesce(f.frames, 0)
ORDER BY s.pk_layer
