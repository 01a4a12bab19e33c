-- acknowledge_launches: records that hosts accepted launches: the ping of their procs moves past the booking, by
-- so little that Cuebot's time limit for silent procs stays as it is. Returns those that somebody holds, to be tried
-- again; a proc that is gone, or on another frame, needs no record.
-- $1 procs, $2 their frames, of one length.
WITH want AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[]) AS w(pk_proc, pk_frame)
),
held AS MATERIALIZED (
    SELECT p.pk_proc
    FROM proc p JOIN want w ON p.pk_proc = w.pk_proc AND p.pk_frame = w.pk_frame
    WHERE p.pk_proc = ANY($1::text[]) AND p.ts_ping < p.ts_booked
    ORDER BY p.pk_proc
    FOR NO KEY UPDATE OF p SKIP LOCKED
),
recorded AS (
    -- A time near the end of the calendar has no later one, and is enough itself.
    UPDATE proc p
    SET ts_ping = greatest(p.ts_booked, least(p.ts_booked, '9999-12-31 00:00+00') + interval '1 microsecond')
    FROM held h WHERE p.pk_proc = h.pk_proc AND p.pk_proc = ANY($1::text[])
    RETURNING p.pk_proc
)
SELECT p.pk_proc
FROM proc p JOIN want w ON p.pk_proc = w.pk_proc AND p.pk_frame = w.pk_frame
WHERE p.pk_proc = ANY($1::text[]) AND p.ts_ping < p.ts_booked
  AND NOT EXISTS (SELECT 1 FROM recorded r WHERE r.pk_proc = p.pk_proc)
