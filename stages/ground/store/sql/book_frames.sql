-- book_frames: the one write of a booking. Starts every frame of the plan that is still as it was
-- read, gives it a proc, takes from the hosts and adds to the counters, all of it computed from the
-- frames that did start. Returns them, each with what is left on its host.
-- $1 frames, $2 their versions, $3 layers, $4 jobs, $5 shows, $6 folders, $7 departments, $8 hosts,
-- $9 host names, $10 allocations, $11 procs, $12 centicores, $13 KiB, $14 GPUs, $15 KiB of GPU memory,
-- all of one length; $16 KiB of memory a fresh proc is said to use;
-- $17 whether host_stat is to follow, for farms without RQD reports.
WITH plan AS MATERIALIZED (
    SELECT *
    FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
         AS p(pk_frame, int_version, pk_layer, pk_job, pk_show, pk_folder, pk_dept, pk_host, host_name,
              pk_alloc, pk_proc, cores, mem, gpus, gpu_mem)
),
started AS (
    UPDATE frame f
    SET str_state = 'RUNNING', str_host = p.host_name, int_cores = p.cores::int, int_mem_reserved = p.mem,
        int_gpus = p.gpus::int, int_gpu_mem_reserved = p.gpu_mem,
        ts_started = current_timestamp, ts_updated = current_timestamp, ts_stopped = NULL,
        int_version = coalesce(f.int_version, 0) + 1,
        -- A restart is charged unless the last run ended for a reason that was not the frame's.
        int_retries = f.int_retries + CASE WHEN f.int_exit_status IN (-1, 286, 256, 299, 301, 302, 399) THEN 0 ELSE 1 END
    FROM plan p
    JOIN layer l ON l.pk_layer = p.pk_layer
    JOIN job j ON j.pk_job = p.pk_job AND j.str_state = 'PENDING' AND j.b_paused = false
    WHERE f.pk_frame = p.pk_frame AND f.str_state = 'WAITING' AND coalesce(f.int_version, 0) = p.int_version
      AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
    RETURNING f.pk_frame, f.int_version
),
booked AS MATERIALIZED (
    SELECT p.*, s.int_version AS new_version FROM plan p JOIN started s ON s.pk_frame = p.pk_frame
),
procs AS (
    INSERT INTO proc (pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, int_cores_reserved,
                      int_mem_reserved, int_mem_pre_reserved, int_mem_used,
                      int_gpus_reserved, int_gpu_mem_reserved, int_gpu_mem_pre_reserved, int_gpu_mem_used, b_local)
    SELECT pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, cores, mem, mem, $16::bigint, gpus::int, gpu_mem, gpu_mem, 0, false
    FROM booked
),
hosts AS (
    UPDATE host h
    SET int_cores_idle = h.int_cores_idle - b.cores, int_mem_idle = h.int_mem_idle - b.mem,
        int_gpus_idle = h.int_gpus_idle - b.gpus, int_gpu_mem_idle = h.int_gpu_mem_idle - b.gpu_mem
    FROM (SELECT pk_host, sum(cores)::bigint AS cores, sum(mem)::bigint AS mem, sum(gpus)::bigint AS gpus,
                 sum(gpu_mem)::bigint AS gpu_mem FROM booked GROUP BY pk_host) b
    WHERE h.pk_host = b.pk_host
    RETURNING h.pk_host, h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle
),
host_stats AS (
    UPDATE host_stat hs
    SET int_mem_free = hs.int_mem_free - b.mem, int_gpu_mem_free = hs.int_gpu_mem_free - b.gpu_mem
    FROM (SELECT pk_host, sum(mem)::bigint AS mem, sum(gpu_mem)::bigint AS gpu_mem FROM booked GROUP BY pk_host) b
    WHERE $17::boolean AND hs.pk_host = b.pk_host
),
subscriptions AS (
    UPDATE subscription s SET int_cores = s.int_cores + b.cores::int, int_gpus = s.int_gpus + b.gpus::int
    FROM (SELECT pk_show, pk_alloc, sum(cores) AS cores, sum(gpus) AS gpus FROM booked GROUP BY pk_show, pk_alloc) b
    WHERE s.pk_show = b.pk_show AND s.pk_alloc = b.pk_alloc
),
layers AS (
    UPDATE layer_resource r SET int_cores = r.int_cores + b.cores, int_gpus = r.int_gpus + b.gpus::int
    FROM (SELECT pk_layer, sum(cores)::bigint AS cores, sum(gpus) AS gpus FROM booked GROUP BY pk_layer) b
    WHERE r.pk_layer = b.pk_layer
),
jobs AS (
    UPDATE job_resource r SET int_cores = r.int_cores + b.cores, int_gpus = r.int_gpus + b.gpus::int
    FROM (SELECT pk_job, sum(cores)::bigint AS cores, sum(gpus) AS gpus FROM booked GROUP BY pk_job) b
    WHERE r.pk_job = b.pk_job
),
folders AS (
    UPDATE folder_resource r SET int_cores = r.int_cores + b.cores::int, int_gpus = r.int_gpus + b.gpus::int
    FROM (SELECT pk_folder, sum(cores) AS cores, sum(gpus) AS gpus FROM booked GROUP BY pk_folder) b
    WHERE r.pk_folder = b.pk_folder
),
points AS (
    UPDATE point r SET int_cores = r.int_cores + b.cores::int, int_gpus = r.int_gpus + b.gpus::int
    FROM (SELECT pk_dept, pk_show, sum(cores) AS cores, sum(gpus) AS gpus FROM booked GROUP BY pk_dept, pk_show) b
    WHERE r.pk_dept = b.pk_dept AND r.pk_show = b.pk_show
)
SELECT b.pk_frame, b.new_version, b.pk_host, h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle
FROM booked b
JOIN hosts h ON h.pk_host = b.pk_host
