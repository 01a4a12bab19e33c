-- A RUNNING frame shows what its proc reserved at booking: cores, memory, GPUs, GPU memory.
SELECT format('frame %s shows %s centicores, %s KiB, %s GPUs, %s KiB GPU; its proc %s reserved %s, %s, %s, %s',
              f.pk_frame, f.int_cores, f.int_mem_reserved, f.int_gpus, f.int_gpu_mem_reserved, p.pk_proc,
              p.int_cores_reserved, p.int_mem_pre_reserved, p.int_gpus_reserved,
              p.int_gpu_mem_pre_reserved) AS detail
FROM frame f
JOIN proc p ON p.pk_frame = f.pk_frame
WHERE f.str_state = 'RUNNING'
  AND (f.int_cores, f.int_mem_reserved, f.int_gpus, f.int_gpu_mem_reserved) IS DISTINCT FROM
      (p.int_cores_reserved, p.int_mem_pre_reserved, p.int_gpus_reserved, p.int_gpu_mem_pre_reserved)
ORDER BY f.pk_frame
