-- A host's totals less its idle amounts are the sums of its procs, in all four amounts.
SELECT format('host %s (%s) has taken %s centicores, %s KiB, %s GPUs, %s KiB GPU; its procs reserve %s, %s, %s, %s',
              h.pk_host, h.str_name, h.int_cores - h.int_cores_idle, h.int_mem - h.int_mem_idle,
              h.int_gpus - h.int_gpus_idle, h.int_gpu_mem - h.int_gpu_mem_idle,
              coalesce(p.cores, 0), coalesce(p.mem, 0), coalesce(p.gpus, 0), coalesce(p.gpu_mem, 0)) AS detail
FROM host h
LEFT JOIN (
    SELECT pk_host, sum(int_cores_reserved) AS cores, sum(int_mem_reserved) AS mem,
           sum(int_gpus_reserved) AS gpus, sum(int_gpu_mem_reserved) AS gpu_mem
    FROM proc
    GROUP BY pk_host
) p ON p.pk_host = h.pk_host
WHERE h.int_cores - h.int_cores_idle <> coalesce(p.cores, 0)
   OR h.int_mem - h.int_mem_idle <> coalesce(p.mem, 0)
   OR h.int_gpus - h.int_gpus_idle <> coalesce(p.gpus, 0)
   OR h.int_gpu_mem - h.int_gpu_mem_idle <> coalesce(p.gpu_mem, 0)
ORDER BY h.pk_host
