-- demand_layers: the layers of some jobs whose statistics are newer than a snapshot, with what waits in them, which may
-- be nothing; of new jobs, and without a snapshot of all jobs, those in which something waits.
-- A layer that may not start yet has nothing that waits, and its frames are gated. Hosts report the seconds of a run rounded down, so the longest
-- run is a second more; 0 while no frame has succeeded.
-- The memory of a layer's frames is known once one has succeeded, or if it asks for at most one core, once hosts have
-- reported it of one that runs, or one has run for two minutes.
-- $1 jobs; $2 whether each of them is new; $3 the oldest transaction that the snapshot saw running, or NULL.
SELECT ls.pk_job, l.pk_layer, l.str_name AS layer_name, l.int_dispatch_order, l.int_cores_min, l.int_cores_max::bigint,
       l.int_mem_min, l.int_gpus_min, l.int_gpu_mem_min, l.b_threadable, l.str_services, l.str_tags,
       CASE WHEN l.ts_start_after > current_timestamp THEN 0 ELSE greatest(ls.int_waiting_count, 0) END AS int_waiting_count,
       CASE WHEN l.ts_start_after > current_timestamp THEN greatest(ls.int_waiting_count, 0) ELSE 0 END AS gated_count,
       ls.int_running_count,
       CASE WHEN ls.ts_stopped BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 00:00+00'
            THEN (date_part('epoch', ls.ts_stopped) * 1000000)::bigint END AS stopped_us,
       CASE WHEN lu.int_frame_success_count > 0 THEN greatest(lu.int_clock_time_high, 0)::bigint + 1 ELSE 0 END AS longest_run_s,
       CASE WHEN ls.int_succeeded_count > 0 THEN true
            WHEN ls.int_running_count <= 0 OR NOT l.b_threadable OR l.int_cores_min > 100 THEN false
            -- Some of its procs are enough, for they are few before its memory is known.
            ELSE EXISTS (SELECT FROM (SELECT p.int_mem_max_used, p.ts_booked FROM proc p
                                      WHERE p.pk_layer = l.pk_layer LIMIT 16) of_layer
                         WHERE int_mem_max_used > 0 OR ts_booked < current_timestamp - interval '2 minutes')
       END AS is_measured
FROM unnest($1::text[], $2::bool[]) AS want (pk_job, is_new)
JOIN layer_stat ls ON ls.pk_job = want.pk_job
    AND ($3::text IS NOT NULL OR ls.int_waiting_count + 0 > 0)
    AND ($3::text IS NULL OR want.is_new OR age(ls.xmin) <= age($3::text::xid8::xid))
JOIN layer l ON l.pk_layer = ls.pk_layer
LEFT JOIN layer_usage lu ON lu.pk_layer = ls.pk_layer
