-- Writes of a status report of every host that is up: it is alive, and its procs leave this memory free.
-- $1 part of the hosts, $2 number of parts in which they report.
WITH taken AS (
    SELECT p.pk_host, sum(p.int_mem_reserved)::int8 AS mem, sum(p.int_gpu_mem_reserved)::int8 AS gpu_mem
    FROM proc p
    WHERE (hashtext(p.pk_host) & 2147483647) % $2 = $1
    GROUP BY p.pk_host
), locked AS MATERIALIZED (
    SELECT hs.pk_host_stat, coalesce(t.mem, 0) AS mem, coalesce(t.gpu_mem, 0) AS gpu_mem
    FROM host_stat hs
    LEFT JOIN taken t ON t.pk_host = hs.pk_host
    WHERE hs.str_state = 'UP' AND (hashtext(hs.pk_host) & 2147483647) % $2 = $1
    ORDER BY hs.pk_host
    FOR NO KEY UPDATE OF hs SKIP LOCKED
)
UPDATE host_stat hs
SET ts_ping = current_timestamp,
    int_mem_free = greatest(0, hs.int_mem_total - l.mem),
    int_gpu_mem_free = greatest(0, hs.int_gpu_mem_total - l.gpu_mem)
FROM locked l
WHERE hs.pk_host_stat = l.pk_host_stat
