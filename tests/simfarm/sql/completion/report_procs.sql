-- Marks the procs of hosts that are up as seen; a proc somebody is about to change is left for the next report.
WITH locked AS MATERIALIZED (
    SELECT p.pk_proc
    FROM proc p
    JOIN host_stat hs ON hs.pk_host = p.pk_host AND hs.str_state = 'UP'
    WHERE p.pk_frame IS NOT NULL
    ORDER BY p.pk_proc
    FOR NO KEY UPDATE OF p SKIP LOCKED
)
UPDATE proc p
SET ts_ping = current_timestamp
FROM locked l
WHERE p.pk_proc = l.pk_proc
