-- relock_frames: locks again the frames of a plan whose transaction was lost to a conflict: those
-- that are as they were and that nobody else holds, with their layers.
-- $1 frames, $2 their versions.
SELECT f.pk_frame
FROM unnest($1::text[], $2::int[]) AS want(pk_frame, int_version)
JOIN frame f ON f.pk_frame = want.pk_frame
JOIN layer l ON l.pk_layer = f.pk_layer
WHERE f.str_state = 'WAITING' AND coalesce(f.int_version, 0) = want.int_version
ORDER BY l.pk_layer, f.pk_frame
FOR NO KEY UPDATE OF l, f SKIP LOCKED
