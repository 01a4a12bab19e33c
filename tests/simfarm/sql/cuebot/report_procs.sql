-- Marks the procs that reports name as seen; one that somebody is about to change is left for the next report.
-- $1 resource ids.
WITH locked AS MATERIALIZED (
    SELECT p.pk_proc
    FROM proc p
    WHERE p.pk_proc = ANY($1) AND p.pk_frame IS NOT NULL
    ORDER BY p.pk_proc
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE proc p
SET ts_ping = current_timestamp
FROM locked l
WHERE p.pk_proc = l.pk_proc
