-- Writes of the status reports of hosts.
-- $1 names, $2 free memory in KiB.
WITH locked AS MATERIALIZED (
    SELECT hs.pk_host_stat, r.mem_free
    FROM unnest($1::text[], $2::int8[]) AS r (name, mem_free)
    JOIN host h ON h.str_name = r.name
    JOIN host_stat hs ON hs.pk_host = h.pk_host
    ORDER BY hs.pk_host
    FOR NO KEY UPDATE OF hs SKIP LOCKED
)
UPDATE host_stat hs
SET ts_ping = current_timestamp,
    str_state = CASE hs.str_state WHEN 'DOWN' THEN 'UP' ELSE hs.str_state END,
    int_mem_free = l.mem_free
FROM locked l
WHERE hs.pk_host_stat = l.pk_host_stat
