-- wait_frames: waits until nobody holds these frames. Asked before committed_procs, in its
-- transaction: a server that still works on the lost commit holds them until it is decided.
-- $1 frames.
SELECT count(*) FROM (
    SELECT f.pk_frame FROM frame f WHERE f.pk_frame = ANY($1::text[]) ORDER BY f.pk_frame FOR NO KEY UPDATE
) free
