-- The next frame of a job, in dispatch order, with what its launch says of it, and the name of a host.
-- $1 job, $2 host.
SELECT f.pk_frame, f.str_name, f.pk_layer, h.str_name
FROM frame f, host h
WHERE f.pk_job = $1 AND f.str_state = 'WAITING' AND h.pk_host = $2
ORDER BY f.int_dispatch_order, f.int_layer_order, f.pk_frame
LIMIT 1
