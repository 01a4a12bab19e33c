-- lock_hosts: locks the hosts of a plan that are free, open and up, and reads what is idle.
-- A host that somebody else holds is passed over, not waited for.
-- $1 hosts.
SELECT h.pk_host, h.pk_alloc, h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle
FROM host h
JOIN host_stat hs ON hs.pk_host = h.pk_host
WHERE h.pk_host = ANY($1::text[]) AND h.str_lock_state = 'OPEN' AND hs.str_state = 'UP'
ORDER BY h.pk_host
FOR NO KEY UPDATE OF h SKIP LOCKED
