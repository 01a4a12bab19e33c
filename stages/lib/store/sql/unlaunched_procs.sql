-- unlaunched_procs: bookings of a scheduler like this one, made a while ago, whose launch no host has acknowledged and
-- which no host report has named: their scheduler may have died between the commit and the launch. Bookings of
-- Cuebot never look like that, so it does not matter whose show it is.
-- It starts from the procs and looks up the frame of each: going through all RUNNING frames, as the
-- planner would like to, costs a thousand times as much to find nothing.
-- $1 seconds since the booking at least, $2 procs that are looked after already, $3 procs at most.
WITH silent AS MATERIALIZED (
    SELECT p.pk_proc, p.pk_frame, p.pk_host, p.ts_booked
    FROM proc p
    WHERE p.ts_ping < p.ts_booked
      AND p.ts_booked < current_timestamp - make_interval(secs => $1)
      AND p.pk_frame IS NOT NULL
      AND p.pk_proc NOT IN (SELECT unnest($2::text[]))
)
SELECT p.pk_proc, p.pk_frame, f.int_version, h.str_name
FROM silent p
CROSS JOIN LATERAL (
    SELECT coalesce(f.int_version, 0) AS int_version
    FROM frame f WHERE f.pk_frame = p.pk_frame AND f.str_state || '' = 'RUNNING'
    OFFSET 0
) f
CROSS JOIN LATERAL (SELECT h.str_name FROM host h WHERE h.pk_host = p.pk_host OFFSET 0) h
ORDER BY p.ts_booked, p.pk_proc
LIMIT $3
