-- closed_hosts: hosts that may not be booked, each with the states that forbid it and the time since its last report.
-- They are for people to see: no decision depends on them. Tags are looked up by host, of which few are closed.
-- $1 facility name, or NULL for all of them; $2 seconds without a report until a host is silent, or NULL;
-- $3 hosts, at most.
SELECT h.pk_host, h.str_name, h.pk_alloc, h.str_lock_state, hs.str_state, hs.str_os, s.is_silent, s.is_lent,
       h.int_cores, h.int_mem, h.int_gpus, h.int_gpu_mem,
       h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle,
       CASE WHEN hs.ts_ping BETWEEN '0001-01-01 00:00+00' AND current_timestamp
            THEN floor(date_part('epoch', current_timestamp - hs.ts_ping))::bigint ELSE 0 END AS silent_seconds,
       ARRAY(SELECT t.str_tag FROM host_tag t WHERE t.pk_host = h.pk_host ORDER BY t.str_tag) AS tags
FROM host h
JOIN host_stat hs ON hs.pk_host = h.pk_host
JOIN alloc a ON a.pk_alloc = h.pk_alloc
JOIN facility fa ON fa.pk_facility = a.pk_facility
CROSS JOIN LATERAL (
    SELECT $2::bigint IS NOT NULL
           AND hs.ts_ping <= current_timestamp - make_interval(secs => $2::double precision) AS is_silent,
           h.pk_host IN (SELECT hl.pk_host FROM host_local hl) AS is_lent
) s
WHERE ($1::text IS NULL OR fa.str_name = $1)
  AND (h.str_lock_state <> 'OPEN' OR hs.str_state <> 'UP' OR s.is_silent OR s.is_lent)
ORDER BY h.str_name
LIMIT $3::bigint
