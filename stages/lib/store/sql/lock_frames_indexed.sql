-- lock_frames_indexed: as lock_frames, where an index holds the waiting frames of a layer in dispatch order (OpenCue's
-- V51). The state and the order are spelled as there: with another one the planner would sort the whole layer.
-- The job is there for the index on state and job, which the planner prefers with statistics of a quiet hour: without a
-- job it would read every waiting frame of the farm for each layer.
-- $1 layers, $2 how many frames of each.
SELECT want.pk_layer, f.pk_frame, f.str_name, f.int_version,
       (extract(epoch FROM f.ts_updated) * 1000)::bigint AS waiting_since_ms
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS want(pk_layer, frames, place)
CROSS JOIN LATERAL (SELECT l.pk_job FROM layer l WHERE l.pk_layer = want.pk_layer OFFSET 0) l
CROSS JOIN LATERAL (
    SELECT f.pk_frame, f.str_name, f.int_version, f.ts_updated, f.int_dispatch_order, f.int_layer_order
    FROM frame f
    WHERE f.pk_layer = want.pk_layer AND f.pk_job = l.pk_job AND f.str_state = 'WAITING'
    ORDER BY f.int_dispatch_order, f.int_layer_order
    LIMIT want.frames
    FOR NO KEY UPDATE SKIP LOCKED
) f
ORDER BY want.place, f.int_dispatch_order, f.int_layer_order, f.pk_frame
