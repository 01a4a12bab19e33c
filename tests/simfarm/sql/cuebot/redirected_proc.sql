-- A proc to redirect: its host, its reserved amounts, and its frame.
SELECT pk_host, int_cores_reserved::int8, int_mem_reserved::int8, int_gpus_reserved::int8,
       int_gpu_mem_reserved::int8, pk_frame
FROM proc
WHERE pk_proc = $1
