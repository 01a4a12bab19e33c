-- Takes the amounts from the host; its trigger is the only guard.
UPDATE host
SET int_cores_idle = int_cores_idle - $2,
    int_mem_idle = int_mem_idle - $3,
    int_gpus_idle = int_gpus_idle - $4,
    int_gpu_mem_idle = int_gpu_mem_idle - $5
WHERE pk_host = $1
