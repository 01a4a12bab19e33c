-- lock_layers: locks those of the wanted layers that nobody else holds and that may still run,
-- and reads them again under the lock.
-- The job is looked up one layer at a time, and its state is spelled as an expression: without statistics
-- the planner would begin with the index of pending jobs and read every layer of the farm.
-- A limit that was deleted leaves its row in layer_limit behind, and limits nothing any more.
-- $1 layers.
SELECT l.pk_layer, l.str_name AS layer_name, l.int_dispatch_order, l.int_cores_min, l.int_cores_max::bigint,
       l.int_mem_min, l.int_gpus_min, l.int_gpu_mem_min, l.b_threadable, l.str_services, l.str_tags,
       ls.int_waiting_count,
       ARRAY(
           SELECT DISTINCT ll.pk_limit_record
           FROM layer_limit ll
           JOIN limit_record lr ON lr.pk_limit_record = ll.pk_limit_record
           WHERE ll.pk_layer = l.pk_layer
       ) AS limits
FROM layer l
CROSS JOIN LATERAL (
    SELECT 1 FROM job j
    WHERE j.pk_job = l.pk_job AND j.str_state || '' = 'PENDING' AND j.b_paused = false
    OFFSET 0
) j
JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
WHERE l.pk_layer = ANY($1::text[])
  AND ls.int_waiting_count + 0 > 0
  AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
ORDER BY l.pk_layer
FOR NO KEY UPDATE OF l SKIP LOCKED
