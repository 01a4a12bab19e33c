-- No host has less than nothing idle, or more idle than it has.
SELECT format('host %s (%s) has idle %s of %s centicores, %s of %s KiB, %s of %s GPUs, %s of %s KiB GPU',
              h.pk_host, h.str_name, h.int_cores_idle, h.int_cores, h.int_mem_idle, h.int_mem,
              h.int_gpus_idle, h.int_gpus, h.int_gpu_mem_idle, h.int_gpu_mem) AS detail
FROM host h
WHERE h.int_cores_idle NOT BETWEEN 0 AND h.int_cores
   OR h.int_mem_idle NOT BETWEEN 0 AND h.int_mem
   OR h.int_gpus_idle NOT BETWEEN 0 AND h.int_gpus
   OR h.int_gpu_mem_idle NOT BETWEEN 0 AND h.int_gpu_mem
ORDER BY h.pk_host
