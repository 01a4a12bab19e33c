-- floor: books a batch of frames on hosts that were picked beforehand, with full accounting and
-- nothing else: no lock taken early, no cap looked at, no answer read. What a scheduler is measured
-- against.
-- $1 frames, $2 hosts, $3 procs, of one length.
WITH picked AS MATERIALIZED (
    SELECT w.pk_frame, w.pk_host, w.pk_proc, l.pk_layer, j.pk_job, j.pk_show, j.pk_folder, j.pk_dept,
           h.str_name AS host_name, h.pk_alloc, greatest(l.int_cores_min, 100) AS cores, l.int_mem_min AS mem
    FROM unnest($1::text[], $2::text[], $3::text[]) AS w(pk_frame, pk_host, pk_proc)
    JOIN frame f ON f.pk_frame = w.pk_frame
    JOIN layer l ON l.pk_layer = f.pk_layer
    JOIN job j ON j.pk_job = f.pk_job
    JOIN host h ON h.pk_host = w.pk_host
),
started AS (
    UPDATE frame f
    SET str_state = 'RUNNING', str_host = p.host_name, int_cores = p.cores::int, int_mem_reserved = p.mem,
        ts_started = current_timestamp, ts_updated = current_timestamp, int_version = f.int_version + 1
    FROM picked p WHERE f.pk_frame = p.pk_frame
),
procs AS (
    INSERT INTO proc (pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, int_cores_reserved,
                      int_mem_reserved, int_mem_pre_reserved, int_mem_used, int_gpus_reserved)
    SELECT pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, cores, mem, mem, 262144, 0 FROM picked
),
hosts AS (
    UPDATE host h SET int_cores_idle = h.int_cores_idle - s.cores, int_mem_idle = h.int_mem_idle - s.mem
    FROM (SELECT pk_host, sum(cores)::bigint AS cores, sum(mem)::bigint AS mem FROM picked GROUP BY pk_host) s
    WHERE h.pk_host = s.pk_host
),
subscriptions AS (
    UPDATE subscription t SET int_cores = t.int_cores + s.cores
    FROM (SELECT pk_show, pk_alloc, sum(cores)::int AS cores FROM picked GROUP BY pk_show, pk_alloc) s
    WHERE t.pk_show = s.pk_show AND t.pk_alloc = s.pk_alloc
),
layers AS (
    UPDATE layer_resource t SET int_cores = t.int_cores + s.cores
    FROM (SELECT pk_layer, sum(cores)::bigint AS cores FROM picked GROUP BY pk_layer) s WHERE t.pk_layer = s.pk_layer
),
jobs AS (
    UPDATE job_resource t SET int_cores = t.int_cores + s.cores
    FROM (SELECT pk_job, sum(cores)::bigint AS cores FROM picked GROUP BY pk_job) s WHERE t.pk_job = s.pk_job
),
folders AS (
    UPDATE folder_resource t SET int_cores = t.int_cores + s.cores
    FROM (SELECT pk_folder, sum(cores)::int AS cores FROM picked GROUP BY pk_folder) s WHERE t.pk_folder = s.pk_folder
)
UPDATE point t SET int_cores = t.int_cores + s.cores
FROM (SELECT pk_dept, pk_show, sum(cores)::int AS cores FROM picked GROUP BY pk_dept, pk_show) s
WHERE t.pk_dept = s.pk_dept AND t.pk_show = s.pk_show
