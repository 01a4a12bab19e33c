-- relock_frames: locks again the frames of a plan whose transaction was lost: those that are as they were and
-- that nobody else holds, with their layers. The statements that follow in the transaction get a shorter
-- time if one is given.
-- $1 frames, $2 their versions, $3 milliseconds or NULL.
WITH timeout AS MATERIALIZED (
    SELECT CASE WHEN $3::int IS NOT NULL THEN set_config('statement_timeout',
        least(nullif(extract(epoch FROM current_setting('statement_timeout')::interval) * 1000, 0)::int, $3::int)::text, true) END AS set
)
SELECT f.pk_frame
FROM (SELECT count(set) FROM timeout) t
CROSS JOIN unnest($1::text[], $2::int[]) AS want(pk_frame, int_version)
JOIN frame f ON f.pk_frame = want.pk_frame
JOIN layer l ON l.pk_layer = f.pk_layer
WHERE f.str_state || '' = 'WAITING' AND coalesce(f.int_version, 0) = want.int_version
ORDER BY l.pk_layer, f.pk_frame
FOR NO KEY UPDATE OF l, f SKIP LOCKED
