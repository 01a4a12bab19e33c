-- undo_bookings: takes failed launches back. Deletes their procs, gives hosts and counters what the
-- procs really held (it may have grown; no amount leaves the range of its column), and lets the frames wait again
-- with the status that means "cleared", which is never charged as a retry. Checkpoints are switched off, else a trigger would park the
-- frame as CHECKPOINT, where nobody frees it; restore_checkpoints switches them on again. Returns the hosts as they
-- are then.
-- $1 procs, $2 their frames, $3 allocations, $4 folders, $5 departments, all of one length, every row locked.
WITH want AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS w(pk_proc, pk_frame, pk_alloc, pk_folder, pk_dept)
),
gone AS (
    DELETE FROM proc p USING want w WHERE p.pk_proc = w.pk_proc AND p.pk_frame = w.pk_frame
    RETURNING p.pk_proc, p.pk_frame, p.pk_host, p.pk_show, p.pk_layer, p.pk_job, w.pk_alloc, w.pk_folder, w.pk_dept,
              p.int_cores_reserved AS cores, p.int_mem_reserved AS mem, p.int_gpus_reserved AS gpus, p.int_gpu_mem_reserved AS gpu_mem
),
freed AS MATERIALIZED (SELECT * FROM gone),
frames AS (
    UPDATE frame f
    SET str_state = 'WAITING', int_exit_status = 299, ts_stopped = current_timestamp, ts_updated = current_timestamp,
        int_version = CASE WHEN f.int_version = 2147483647 THEN 0 ELSE f.int_version + 1 END,
        str_checkpoint_state = CASE WHEN f.str_checkpoint_state IN ('ENABLED', 'COPYING') THEN 'DISABLED'
                                    ELSE f.str_checkpoint_state END
    FROM freed g WHERE f.pk_frame = g.pk_frame AND f.str_state || '' = 'RUNNING'
),
hosts AS (
    UPDATE host h
    SET int_cores_idle = greatest(least(h.int_cores_idle + g.cores, 9223372036854775807), -9223372036854775808)::bigint,
        int_mem_idle = greatest(least(h.int_mem_idle + g.mem, 9223372036854775807), -9223372036854775808)::bigint,
        int_gpus_idle = greatest(least(h.int_gpus_idle + g.gpus, 9223372036854775807), -9223372036854775808)::bigint,
        int_gpu_mem_idle =
            greatest(least(h.int_gpu_mem_idle + g.gpu_mem, 9223372036854775807), -9223372036854775808)::bigint
    FROM (SELECT pk_host, sum(cores) AS cores, sum(mem) AS mem, sum(gpus::numeric) AS gpus,
                 sum(gpu_mem) AS gpu_mem FROM freed GROUP BY pk_host) g
    WHERE h.pk_host = g.pk_host
    RETURNING h.pk_host, h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle
),
subscriptions AS (
    UPDATE subscription s
    SET int_cores = greatest(least(s.int_cores - g.cores, 2147483647), -2147483648)::int,
        int_gpus = greatest(least(s.int_gpus - g.gpus, 2147483647), -2147483648)::int
    FROM (SELECT pk_show, pk_alloc, sum(cores) AS cores, sum(gpus) AS gpus FROM freed GROUP BY pk_show, pk_alloc) g
    WHERE s.pk_show = g.pk_show AND s.pk_alloc = g.pk_alloc
),
layers AS (
    UPDATE layer_resource r
    SET int_cores = greatest(least(r.int_cores - g.cores, 9223372036854775807), -9223372036854775808)::bigint,
        int_gpus = greatest(least(r.int_gpus - g.gpus, 2147483647), -2147483648)::int
    FROM (SELECT pk_layer, sum(cores) AS cores, sum(gpus) AS gpus FROM freed GROUP BY pk_layer) g
    WHERE r.pk_layer = g.pk_layer
),
jobs AS (
    UPDATE job_resource r
    SET int_cores = greatest(least(r.int_cores - g.cores, 9223372036854775807), -9223372036854775808)::bigint,
        int_gpus = greatest(least(r.int_gpus - g.gpus, 2147483647), -2147483648)::int
    FROM (SELECT pk_job, sum(cores) AS cores, sum(gpus) AS gpus FROM freed GROUP BY pk_job) g
    WHERE r.pk_job = g.pk_job
),
folders AS (
    UPDATE folder_resource r
    SET int_cores = greatest(least(r.int_cores - g.cores, 2147483647), -2147483648)::int,
        int_gpus = greatest(least(r.int_gpus - g.gpus, 2147483647), -2147483648)::int
    FROM (SELECT pk_folder, sum(cores) AS cores, sum(gpus) AS gpus FROM freed GROUP BY pk_folder) g
    WHERE r.pk_folder = g.pk_folder
),
points AS (
    UPDATE point r
    SET int_cores = greatest(least(r.int_cores - g.cores, 2147483647), -2147483648)::int,
        int_gpus = greatest(least(r.int_gpus - g.gpus, 2147483647), -2147483648)::int
    FROM (SELECT pk_dept, pk_show, sum(cores) AS cores, sum(gpus) AS gpus FROM freed GROUP BY pk_dept, pk_show) g
    WHERE r.pk_dept = g.pk_dept AND r.pk_show = g.pk_show
)
SELECT g.pk_proc, g.pk_frame, g.pk_host, h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle
FROM freed g
JOIN hosts h ON h.pk_host = g.pk_host
