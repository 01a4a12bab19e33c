-- A proc that is to be redirected: its host, what it holds, and its frame.
SELECT pk_host, int_cores_reserved::int8, int_mem_reserved::int8, int_gpus_reserved::int8,
       int_gpu_mem_reserved::int8, pk_frame
FROM proc
WHERE pk_proc = $1
