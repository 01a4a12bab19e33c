-- The farm of bench/compare.sh: one managed show on three allocations, hosts of 16 to 128 cores, and waiting frames.
-- Variables of psql: hosts, jobs, layers (of a job), frames (of a layer).
\set ON_ERROR_STOP 1
BEGIN;
-- The key of a row: a UUID, as Cuebot makes them.
CREATE FUNCTION pg_temp.key(name text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT md5(name)::uuid::text';
INSERT INTO facility (pk_facility, str_name) VALUES (pg_temp.key('facility'), 'facility');
INSERT INTO dept (pk_dept, str_name) VALUES (pg_temp.key('dept'), 'dept');
INSERT INTO show (pk_show, str_name, b_scheduler_managed) VALUES (pg_temp.key('show'), 'show', true);
INSERT INTO folder (pk_folder, pk_show, pk_dept, str_name)
VALUES (pg_temp.key('folder'), pg_temp.key('show'), pg_temp.key('dept'), 'folder');
INSERT INTO folder_resource (pk_folder_resource, pk_folder)
SELECT pk_folder, pk_folder FROM folder f
WHERE NOT EXISTS (SELECT FROM folder_resource r WHERE r.pk_folder = f.pk_folder);
INSERT INTO point (pk_point, pk_dept, pk_show)
SELECT pk_folder, pk_dept, pk_show FROM folder f WHERE NOT EXISTS (SELECT FROM point p WHERE p.pk_show = f.pk_show);
INSERT INTO alloc (pk_alloc, str_name, pk_facility, str_tag)
SELECT pg_temp.key('alloc' || n), 'facility.a' || n, pg_temp.key('facility'), 'a' || n FROM generate_series(0, 2) n;
INSERT INTO subscription (pk_subscription, pk_alloc, pk_show, int_size, int_burst)
SELECT pg_temp.key('subscription' || n), pg_temp.key('alloc' || n), pg_temp.key('show'), 9000000, 9000000 FROM generate_series(0, 2) n;

CREATE TEMP TABLE size ON COMMIT DROP AS
SELECT n, 16 * (1 + n * 7 % 8) AS cores, 64 * (1 + n * 5 % 4) AS gib FROM generate_series(1, :hosts) n;
INSERT INTO host (pk_host, pk_alloc, str_name, str_lock_state, int_cores, int_cores_idle, int_mem, int_mem_idle,
                  int_gpus, int_gpus_idle, int_gpu_mem, int_gpu_mem_idle, int_thread_mode)
SELECT pg_temp.key('host' || n), pg_temp.key('alloc' || n % 3), 'host' || n, 'OPEN', cores * 100, cores * 100, gib * 1048576::bigint,
       gib * 1048576::bigint, 0, 0, 0, 0, 0
FROM size;
-- The ping lies ahead, so that no scheduler takes a host for silent.
INSERT INTO host_stat (pk_host_stat, pk_host, str_state, str_os, int_mem_total, int_mem_free, ts_ping)
SELECT pg_temp.key('stat' || n), pg_temp.key('host' || n), 'UP', 'linux', gib * 1048576::bigint, gib * 1048576::bigint,
       now() + interval '1 hour'
FROM size;
INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
SELECT pg_temp.key('tag' || n), pg_temp.key('host' || n), 'a' || n % 3, 'ALLOC' FROM size;

INSERT INTO job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name, str_visible_name, str_shot, str_user,
                 str_state, str_os)
SELECT pg_temp.key('job' || n), pg_temp.key('folder'), pg_temp.key('show'), pg_temp.key('facility'),
       pg_temp.key('dept'), 'job' || n, 'job' || n, 'shot', 'user', 'PENDING', 'linux'
FROM generate_series(1, :jobs) n;
UPDATE job_resource r
SET int_priority = 1 + abs(hashtext((SELECT str_name FROM job j WHERE j.pk_job = r.pk_job))) % 200, int_max_cores = 10000000, int_max_gpus = 0;
-- Not threadable: of frames that could take more cores few run until hosts report their memory, and here none does.
INSERT INTO layer (pk_layer, pk_job, str_name, str_cmd, str_range, str_tags, str_type, b_threadable, int_cores_min,
                   int_mem_min)
SELECT pg_temp.key(j.pk_job || 'layer' || l), j.pk_job, 'layer' || l, 'render', '1-' || :frames, 'a' || l % 2 || ' | a2', 'RENDER',
       false, 100 << (l + j.n) % 4, (2 + (l + j.n) % 7) * 1048576
FROM (SELECT pk_job, row_number() OVER (ORDER BY pk_job)::int AS n FROM job) j
CROSS JOIN generate_series(1, :layers) l;
INSERT INTO frame (pk_frame, pk_layer, pk_job, str_name, str_state, int_number, int_layer_order, int_dispatch_order,
                   ts_updated)
SELECT gen_random_uuid()::text, l.pk_layer, l.pk_job, lpad(n::text, 4, '0') || '-' || l.str_name, 'WAITING', n, n, n, now()
FROM layer l CROSS JOIN generate_series(1, :frames) n;
UPDATE layer_stat SET int_waiting_count = :frames, int_total_count = :frames;
UPDATE job_stat SET int_waiting_count = :layers * :frames;
COMMIT;
ANALYZE;
