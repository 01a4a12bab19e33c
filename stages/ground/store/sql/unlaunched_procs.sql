-- unlaunched_procs: procs of managed shows that were booked a while ago and that no host report has
-- ever named: their scheduler may have died between the commit and the launch.
-- $1 seconds since the booking at least, $2 procs that are known to run, $3 procs at most.
SELECT p.pk_proc, p.pk_frame, coalesce(f.int_version, 0) AS int_version, h.str_name
FROM proc p
JOIN frame f ON f.pk_frame = p.pk_frame
JOIN host h ON h.pk_host = p.pk_host
JOIN show s ON s.pk_show = p.pk_show
WHERE p.ts_ping <= p.ts_booked
  AND p.ts_booked < current_timestamp - make_interval(secs => $1)
  AND p.b_local = false AND f.str_state = 'RUNNING' AND s.b_scheduler_managed
  AND p.pk_proc <> ALL($2::text[])
ORDER BY p.ts_booked, p.pk_proc
LIMIT $3
