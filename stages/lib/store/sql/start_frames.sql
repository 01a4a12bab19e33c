-- start_frames: starts every frame of a plan that is still as it was read, gives it a proc and takes
-- from the hosts, all of it computed from the frames that did start. Returns them, each with what is
-- left on its host. The counters of the caps are charged by charge_counters, later and under their own locks.
-- $1 frames, $2 their versions, $3 layers, $4 jobs, $5 shows, $6 hosts, $7 host names, $8 procs,
-- $9 centicores, $10 KiB, $11 GPUs, $12 KiB of GPU memory, all of one length;
-- $13 KiB of memory a fresh proc is said to use;
-- $14 folders, $15 departments, of the length of the others: a job that was moved since it was read is
-- charged elsewhere when its frames end, so it is left for a later turn;
-- $16 exit statuses after which a start charges no retry.
-- A new proc is pinged before it is booked, which no other program writes: a booking of ours whose launch no
-- host has acknowledged, until acknowledge_launches or a host report moves the ping on.
-- States are spelled as expressions so that no index on them serves: those indexes hold every waiting frame and every
-- pending job of the farm, and with statistics of a quiet hour the planner would read all of them for each frame.
-- A version or a number of retries at the end of its range starts again, or stays there.
WITH plan AS MATERIALIZED (
    SELECT *
    FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $14::text[], $15::text[])
         AS p(pk_frame, int_version, pk_layer, pk_job, pk_show, pk_host, host_name, pk_proc, cores, mem, gpus, gpu_mem,
              pk_folder, pk_dept)
),
started AS (
    UPDATE frame f
    SET str_state = 'RUNNING', str_host = p.host_name, int_cores = least(p.cores, 2147483647)::int, int_mem_reserved = p.mem,
        int_gpus = least(p.gpus, 2147483647)::int, int_gpu_mem_reserved = p.gpu_mem,
        ts_started = current_timestamp, ts_updated = current_timestamp, ts_stopped = NULL,
        int_version = CASE WHEN f.int_version = 2147483647 THEN 0 ELSE coalesce(f.int_version, 0) + 1 END,
        -- A restart is charged unless the last run ended for a reason that was not the frame's: a status that no
        -- frame ends with, one that the farm names, or one by which frames say that a licence was missing.
        int_retries = least(f.int_retries, 9223372036854775806) + CASE
            WHEN f.int_exit_status IN (-1, 286, 256, 299, 301, 302, 399) THEN 0
            WHEN f.int_exit_status = ANY($16::int[]) THEN 0
            WHEN f.int_exit_status = ANY(ARRAY(SELECT (to_jsonb(lr) ->> 'int_exit_status')::int FROM limit_record lr)) THEN 0
            ELSE 1
        END
    FROM plan p
    JOIN layer l ON l.pk_layer = p.pk_layer
    JOIN job j ON j.pk_job = p.pk_job AND j.str_state || '' = 'PENDING' AND j.b_paused = false
        AND j.pk_folder = p.pk_folder AND j.pk_dept = p.pk_dept
    WHERE f.pk_frame = p.pk_frame AND f.str_state || '' = 'WAITING' AND coalesce(f.int_version, 0) = p.int_version
      AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
      -- A frame that lost its state but not its proc would have the whole batch refused, turn after turn.
      AND NOT EXISTS (SELECT 1 FROM proc x WHERE x.pk_frame = f.pk_frame)
    RETURNING f.pk_frame, f.int_version
),
booked AS MATERIALIZED (
    SELECT p.*, s.int_version AS new_version FROM plan p JOIN started s ON s.pk_frame = p.pk_frame
),
procs AS (
    INSERT INTO proc (pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, int_cores_reserved,
                      int_mem_reserved, int_mem_pre_reserved, int_mem_used,
                      int_gpus_reserved, int_gpu_mem_reserved, int_gpu_mem_pre_reserved, int_gpu_mem_used, b_local,
                      ts_booked, ts_ping)
    SELECT pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, cores, mem, mem, $13::bigint, least(gpus, 2147483647)::int, gpu_mem, gpu_mem, 0, false,
           current_timestamp, current_timestamp - interval '1 microsecond'
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
)
SELECT b.pk_frame, b.new_version, b.pk_host, h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle,
       (extract(epoch FROM current_timestamp) * 1000)::bigint AS booked_at_ms
FROM booked b
JOIN hosts h ON h.pk_host = b.pk_host
