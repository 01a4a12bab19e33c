-- lock_frames: locks the next waiting frames of each locked layer in dispatch order, passing over
-- those that somebody else holds. Sent where lock_frames_indexed has no index to use.
-- The state is spelled as an expression so that no index on it serves: that index holds every
-- waiting frame of the farm, and without statistics the planner would read all of it for each layer.
-- $1 layers, $2 how many frames of each.
SELECT want.pk_layer, f.pk_frame, f.str_name, f.int_version,
       CASE WHEN isfinite(f.ts_updated) THEN (extract(epoch FROM f.ts_updated) * 1000)::bigint END AS waiting_since_ms
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS want(pk_layer, frames, place)
CROSS JOIN LATERAL (
    SELECT f.pk_frame, f.str_name, f.int_version, f.ts_updated, f.int_dispatch_order, f.int_layer_order
    FROM frame f
    WHERE f.pk_layer = want.pk_layer AND f.str_state || '' = 'WAITING'
    ORDER BY f.int_dispatch_order, f.int_layer_order, f.pk_frame
    LIMIT want.frames
    FOR NO KEY UPDATE SKIP LOCKED
) f
ORDER BY want.place, f.int_dispatch_order, f.int_layer_order, f.pk_frame
