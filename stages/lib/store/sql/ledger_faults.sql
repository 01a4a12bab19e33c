-- ledger_faults: hosts whose idle resources are not their total less what their procs hold, and how many
-- there are. Both are of one moment, because bookings and releases write host and proc in one transaction.
-- $1 rows at most.
SELECT h.pk_host, h.str_name,
       h.int_cores, h.int_mem, h.int_gpus, h.int_gpu_mem,
       h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle,
       least(greatest(held.cores, 0), 9223372036854775807)::bigint AS cores_held,
       least(greatest(held.mem, 0), 9223372036854775807)::bigint AS mem_held,
       least(greatest(held.gpus, 0), 9223372036854775807)::bigint AS gpus_held,
       least(greatest(held.gpu_mem, 0), 9223372036854775807)::bigint AS gpu_mem_held,
       count(*) OVER () AS hosts
FROM host h
LEFT JOIN (
    SELECT p.pk_host, sum(p.int_cores_reserved) AS cores, sum(p.int_mem_reserved) AS mem,
           sum(p.int_gpus_reserved::numeric) AS gpus, sum(p.int_gpu_mem_reserved) AS gpu_mem
    FROM proc p
    GROUP BY p.pk_host
) held ON held.pk_host = h.pk_host
-- A sum is numeric, so nothing here can overflow, whatever the rows hold.
WHERE coalesce(held.cores, 0) + h.int_cores_idle <> h.int_cores
   OR coalesce(held.mem, 0) + h.int_mem_idle <> h.int_mem
   OR coalesce(held.gpus, 0) + h.int_gpus_idle <> h.int_gpus
   OR coalesce(held.gpu_mem, 0) + h.int_gpu_mem_idle <> h.int_gpu_mem
ORDER BY h.str_name
LIMIT $1
