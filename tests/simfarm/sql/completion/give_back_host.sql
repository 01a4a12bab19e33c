-- Gives cores, memory, GPUs and GPU memory back to the hosts.
WITH freed AS (
    SELECT r.pk_host, sum(r.cores)::int8 AS cores, sum(r.mem)::int8 AS mem,
           sum(r.gpus)::int8 AS gpus, sum(r.gpu_mem)::int8 AS gpu_mem
    FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[])
        AS r (pk_host, cores, mem, gpus, gpu_mem)
    GROUP BY r.pk_host
), locked AS MATERIALIZED (
    SELECT h.pk_host, f.cores, f.mem, f.gpus, f.gpu_mem
    FROM host h
    JOIN freed f ON f.pk_host = h.pk_host
    ORDER BY h.pk_host
    FOR NO KEY UPDATE OF h
)
UPDATE host h
SET int_cores_idle = h.int_cores_idle + l.cores,
    int_mem_idle = h.int_mem_idle + l.mem,
    int_gpus_idle = h.int_gpus_idle + l.gpus,
    int_gpu_mem_idle = h.int_gpu_mem_idle + l.gpu_mem
FROM locked l
WHERE h.pk_host = l.pk_host
