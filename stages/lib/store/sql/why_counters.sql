-- why_counters: the waiting frames of a job's layers, and what the counters of layer and job say.
-- $1 one of the layers.
SELECT l.pk_layer, ls.int_waiting_count::bigint AS counted, js.int_waiting_count::bigint AS counted_in_job,
       coalesce(frames.waiting, 0) AS waiting
FROM layer l
JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
JOIN job_stat js ON js.pk_job = l.pk_job
LEFT JOIN (
    SELECT f.pk_layer, count(*) AS waiting
    FROM frame f
    WHERE f.pk_job = (SELECT o.pk_job FROM layer o WHERE o.pk_layer = $1) AND f.str_state = 'WAITING'
    GROUP BY f.pk_layer
) frames ON frames.pk_layer = l.pk_layer
WHERE l.pk_job = (SELECT o.pk_job FROM layer o WHERE o.pk_layer = $1)
