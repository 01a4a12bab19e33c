-- host_snapshot: every host that may be booked, without its tags: open, up, heard of lately, in an
-- allocation of the facility. Idle memory is the ledger's, lowered to what RQD last reported as free.
-- $1 facility name, or NULL for all of them; $2 seconds without a report until a host is stale, or NULL.
SELECT h.pk_host, h.str_name, a.pk_facility, h.pk_alloc, h.int_thread_mode, hs.str_os,
       h.int_cores, h.int_mem, h.int_gpus, h.int_gpu_mem,
       h.int_cores_idle, least(h.int_mem_idle, hs.int_mem_free) AS int_mem_idle,
       h.int_gpus_idle, least(h.int_gpu_mem_idle, hs.int_gpu_mem_free) AS int_gpu_mem_idle
FROM host h
JOIN host_stat hs ON hs.pk_host = h.pk_host
JOIN alloc a ON a.pk_alloc = h.pk_alloc
JOIN facility fa ON fa.pk_facility = a.pk_facility
WHERE h.str_lock_state = 'OPEN' AND hs.str_state = 'UP'
  AND ($1::text IS NULL OR fa.str_name = $1)
  AND ($2::bigint IS NULL OR hs.ts_ping > current_timestamp - make_interval(secs => $2::double precision))
