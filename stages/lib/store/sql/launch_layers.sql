-- launch_layers: facts about the layers of a batch and their jobs that a launch needs.
-- $1 layers.
SELECT l.pk_layer, l.str_name AS layer_name, l.str_cmd, l.str_range, l.int_chunk_size, l.b_threadable, l.int_mem_min,
       -- Since V48; by way of JSON one statement fits all schemas.
       coalesce((to_jsonb(l) ->> 'int_stuck_detection_llu')::int, 0) AS stuck_detection_llu,
       j.pk_job, j.str_name AS job_name, j.str_show, j.str_shot, j.str_user, j.str_log_dir, j.int_uid, j.str_os, j.str_loki_url,
       ARRAY(SELECT e.str_key FROM job_env e WHERE e.pk_job = j.pk_job AND e.str_key IS NOT NULL ORDER BY e.pk_job_env) AS job_keys,
       ARRAY(SELECT coalesce(e.str_value, '') FROM job_env e WHERE e.pk_job = j.pk_job AND e.str_key IS NOT NULL ORDER BY e.pk_job_env) AS job_values,
       ARRAY(SELECT e.str_key FROM layer_env e WHERE e.pk_layer = l.pk_layer AND e.str_key IS NOT NULL ORDER BY e.pk_layer_env) AS layer_keys,
       ARRAY(SELECT coalesce(e.str_value, '') FROM layer_env e WHERE e.pk_layer = l.pk_layer AND e.str_key IS NOT NULL ORDER BY e.pk_layer_env) AS layer_values
FROM layer l
JOIN job j ON j.pk_job = l.pk_job
WHERE l.pk_layer = ANY($1::text[])
