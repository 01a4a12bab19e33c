-- Procs that no report has named for some time, the longest silent first.
-- $1 seconds, $2 seconds after which nothing more is hoped for.
SELECT p.pk_proc, h.str_name, f.pk_frame, f.int_version,
       hs.str_state = 'DOWN' AS dead,
       p.ts_ping < current_timestamp - make_interval(secs => $2) AS hopeless
FROM proc p
JOIN host h ON h.pk_host = p.pk_host
JOIN host_stat hs ON hs.pk_host = p.pk_host
LEFT JOIN frame f ON f.pk_frame = p.pk_frame
WHERE p.ts_ping < current_timestamp - make_interval(secs => $1) AND NOT p.b_local
ORDER BY p.ts_ping, p.pk_proc
LIMIT 100
