-- Marks the procs of hosts that are up as seen; a proc somebody is about to change is left for the next report.
-- $1 which part of the hosts, $2 in how many parts they report.
WITH locked AS MATERIALIZED (
    SELECT p.pk_proc
    FROM proc p
    JOIN host_stat hs ON hs.pk_host = p.pk_host AND hs.str_state = 'UP'
    WHERE p.pk_frame IS NOT NULL AND (hashtext(hs.pk_host) & 2147483647) % $2 = $1
    ORDER BY p.pk_proc
    FOR NO KEY UPDATE OF p SKIP LOCKED
)
UPDATE proc p
SET ts_ping = current_timestamp
FROM locked l
WHERE p.pk_proc = l.pk_proc
