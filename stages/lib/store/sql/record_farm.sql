-- record_farm: hosts, caps and work of a facility, one row for each: its kind, and a JSON object with plain names.
-- Work is what waits or runs in pending jobs that are not paused, of active shows.
-- $1 facility name, or NULL for all of them.
WITH served AS MATERIALIZED (
    SELECT fa.pk_facility FROM facility fa WHERE $1::text IS NULL OR fa.str_name = $1
),
jobs AS MATERIALIZED (
    SELECT j.pk_job, j.str_name, j.pk_folder, j.str_os, sh.str_name AS show_name
    FROM job j
    JOIN served ON served.pk_facility = j.pk_facility
    JOIN show sh ON sh.pk_show = j.pk_show
    WHERE j.str_state = 'PENDING' AND j.b_paused = false AND sh.b_active
)
SELECT 'host' AS kind, json_build_object(
           'name', h.str_name, 'allocation', a.str_tag, 'cores', h.int_cores, 'memory', h.int_mem,
           'gpus', h.int_gpus, 'gpu_memory', h.int_gpu_mem, 'os', coalesce(hs.str_os, ''),
           'thread_mode', h.int_thread_mode, 'lock_state', h.str_lock_state, 'state', hs.str_state,
           'tags', coalesce(tags.found, '[]'::json))::text AS fact
FROM host h
JOIN host_stat hs ON hs.pk_host = h.pk_host
JOIN alloc a ON a.pk_alloc = h.pk_alloc
JOIN served ON served.pk_facility = a.pk_facility
LEFT JOIN (
    SELECT t.pk_host, json_agg(json_build_array(t.str_tag, t.str_tag_type)) AS found FROM host_tag t GROUP BY t.pk_host
) tags ON tags.pk_host = h.pk_host
UNION ALL
SELECT 'subscription', json_build_object(
           'show', sh.str_name, 'allocation', a.str_tag, 'size', s.int_size, 'burst', s.int_burst)::text
FROM subscription s
JOIN show sh ON sh.pk_show = s.pk_show
JOIN alloc a ON a.pk_alloc = s.pk_alloc
JOIN served ON served.pk_facility = a.pk_facility
WHERE sh.b_active
UNION ALL
SELECT 'limit', json_build_object('name', lr.str_name, 'max', lr.int_max_value)::text
FROM limit_record lr
UNION ALL
SELECT 'folder', json_build_object(
           'name', fr.pk_folder, 'show', sh.str_name, 'max_cores', fr.int_max_cores, 'max_gpus', fr.int_max_gpus)::text
FROM folder_resource fr
JOIN folder f ON f.pk_folder = fr.pk_folder
JOIN show sh ON sh.pk_show = f.pk_show
WHERE fr.pk_folder IN (SELECT jobs.pk_folder FROM jobs)
UNION ALL
SELECT 'job', json_build_object(
           'name', jobs.str_name, 'show', jobs.show_name, 'folder', jobs.pk_folder, 'os', jobs.str_os,
           'priority', jr.int_priority, 'max_cores', jr.int_max_cores, 'max_gpus', jr.int_max_gpus)::text
FROM jobs
JOIN job_resource jr ON jr.pk_job = jobs.pk_job
UNION ALL
SELECT 'layer', json_build_object(
           'job', jobs.str_name, 'order', l.int_dispatch_order, 'tags', l.str_tags, 'cores_min', l.int_cores_min,
           'cores_max', l.int_cores_max, 'memory_min', l.int_mem_min, 'gpus_min', l.int_gpus_min,
           'gpu_memory_min', l.int_gpu_mem_min, 'threadable', l.b_threadable,
           'waiting', greatest(ls.int_waiting_count, 0), 'running', greatest(ls.int_running_count, 0),
           'limits', coalesce(limits.found, '[]'::json))::text
FROM jobs
JOIN layer l ON l.pk_job = jobs.pk_job
JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
LEFT JOIN (
    SELECT ll.pk_layer, json_agg(lr.str_name) AS found
    FROM layer_limit ll
    JOIN limit_record lr ON lr.pk_limit_record = ll.pk_limit_record
    GROUP BY ll.pk_layer
) limits ON limits.pk_layer = l.pk_layer
WHERE ls.int_waiting_count > 0 OR ls.int_running_count > 0
