-- why_facts: everything above the layers of one job, and one row for each of its layers, in dispatch
-- order. `ahead` is how many frames wait in the jobs of show and facility that are served before.
-- `earlier` is how many wait in the layers of the job that are served before, asked about or not.
-- Layers that back off are not ahead of anybody.
-- $1 the job; $2 the layer, or NULL for all of them; $3 layers that back off because their launches are refused.
SELECT j.str_name AS job_name, j.str_state, j.b_paused, j.str_os,
       j.pk_facility, fa.str_name AS facility_name,
       sh.str_name AS show_name, sh.b_active, sh.b_scheduler_managed, sh.b_booking_enabled,
       jr.int_cores::bigint AS job_cores, jr.int_max_cores::bigint AS job_max_cores,
       jr.int_gpus::bigint AS job_gpus, jr.int_max_gpus::bigint AS job_max_gpus,
       fo.str_name AS folder_name,
       fr.int_cores::bigint AS folder_cores, fr.int_max_cores::bigint AS folder_max_cores,
       fr.int_gpus::bigint AS folder_gpus, fr.int_max_gpus::bigint AS folder_max_gpus,
       subs.allocs, subs.alloc_names, subs.sub_cores, subs.sub_bursts,
       least(greatest((SELECT coalesce(sum(oj.int_waiting_count), 0)
        FROM job o
        JOIN job_stat oj ON oj.pk_job = o.pk_job AND oj.int_waiting_count > 0
        JOIN job_resource orr ON orr.pk_job = o.pk_job
        WHERE o.pk_show = j.pk_show AND o.pk_facility = j.pk_facility
          AND o.str_state = 'PENDING' AND o.b_paused = false
          AND (-orr.int_priority::bigint, o.ts_started, o.pk_job) < (-jr.int_priority::bigint, j.ts_started, j.pk_job))
       - (SELECT coalesce(sum(bs.int_waiting_count), 0)
          FROM layer b
          JOIN layer_stat bs ON bs.pk_layer = b.pk_layer
          JOIN job o ON o.pk_job = b.pk_job
          JOIN job_resource orr ON orr.pk_job = o.pk_job
          WHERE b.pk_layer = ANY($3::text[]) AND o.pk_show = j.pk_show AND o.pk_facility = j.pk_facility
            AND o.str_state = 'PENDING' AND o.b_paused = false
            AND (-orr.int_priority::bigint, o.ts_started, o.pk_job)
              < (-jr.int_priority::bigint, j.ts_started, j.pk_job)),
          0), 9223372036854775807)::bigint AS ahead,
       l.pk_layer, l.str_name AS layer_name, l.int_dispatch_order, l.int_cores_min, l.int_cores_max::bigint,
       l.int_mem_min, l.int_gpus_min, l.int_gpu_mem_min, l.b_threadable, l.str_services, l.str_tags,
       l.str_start_after_reason,
       CASE WHEN isfinite(l.ts_start_after)
            THEN ((extract(epoch FROM l.ts_start_after) - extract(epoch FROM current_timestamp)) * 1000)::bigint
            WHEN l.ts_start_after > current_timestamp THEN 9223372036854775807 END AS starts_in_ms,
       ls.int_total_count, ls.int_waiting_count, ls.int_running_count, ls.int_depend_count,
       ls.int_dead_count, ls.int_succeeded_count, ls.int_eaten_count,
       (SELECT least(coalesce(sum(es.int_waiting_count), 0), 9223372036854775807)::bigint
        FROM layer e
        JOIN layer_stat es ON es.pk_layer = e.pk_layer AND es.int_waiting_count > 0
        WHERE e.pk_job = l.pk_job AND e.pk_layer <> ALL($3::text[])
          AND (e.int_dispatch_order, e.pk_layer) < (l.int_dispatch_order, l.pk_layer)) AS earlier,
       ARRAY(SELECT DISTINCT ll.pk_limit_record FROM layer_limit ll WHERE ll.pk_layer = l.pk_layer ORDER BY 1) AS limits
FROM job j
JOIN show sh ON sh.pk_show = j.pk_show
JOIN facility fa ON fa.pk_facility = j.pk_facility
JOIN job_resource jr ON jr.pk_job = j.pk_job
JOIN folder fo ON fo.pk_folder = j.pk_folder
JOIN folder_resource fr ON fr.pk_folder = j.pk_folder
JOIN layer l ON l.pk_job = j.pk_job
JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(s.pk_alloc::text ORDER BY s.pk_alloc), '{}') AS allocs,
           coalesce(array_agg(a.str_name::text ORDER BY s.pk_alloc), '{}') AS alloc_names,
           coalesce(array_agg(s.int_cores::bigint ORDER BY s.pk_alloc), '{}') AS sub_cores,
           coalesce(array_agg(s.int_burst::bigint ORDER BY s.pk_alloc), '{}') AS sub_bursts
    FROM subscription s
    JOIN alloc a ON a.pk_alloc = s.pk_alloc
    WHERE s.pk_show = j.pk_show AND a.pk_facility = j.pk_facility
) subs
WHERE j.pk_job = $1 AND ($2::text IS NULL OR l.pk_layer = $2)
ORDER BY l.int_dispatch_order, l.pk_layer
