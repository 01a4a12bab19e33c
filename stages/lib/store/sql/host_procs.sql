-- host_procs: resources of some hosts and, from the same snapshot, their procs: what each holds, how long its frame has
-- run, and how long succeeded frames of its layer ran, on average and at most. A host without procs has one row.
-- A start in the future is none yet. Hosts and procs are looked up by index, for without statistics the planner would
-- read all of them.
-- Hosts report the seconds of a run rounded down: the mean is half a second more, the longest a second.
-- Procs that no report of the host names are marked, as in check_unreported.
-- $1 hosts; $2 seconds without a report.
SELECT want.pk_host, h.int_cores, h.int_mem, h.int_gpus, h.int_gpu_mem,
       h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle,
       hs.int_mem_free AS mem_free, hs.int_gpu_mem_free AS gpu_mem_free,
       p.pk_proc IS NOT NULL AS is_proc, coalesce(p.pk_layer, '') AS pk_layer,
       coalesce(p.int_cores_reserved, 0) AS cores_held, coalesce(p.int_mem_reserved, 0) AS mem_held,
       coalesce(p.int_gpus_reserved, 0)::bigint AS gpus_held, coalesce(p.int_gpu_mem_reserved, 0) AS gpu_mem_held,
       CASE WHEN p.ts_dispatched BETWEEN '0001-01-01 00:00+00' AND current_timestamp
            THEN floor(date_part('epoch', current_timestamp - p.ts_dispatched) * 1000)::bigint ELSE 0 END AS elapsed_ms,
       CASE WHEN lu.int_frame_success_count > 0
            THEN greatest(lu.int_clock_time_success, 0)::bigint * 1000 / lu.int_frame_success_count + 500 END AS mean_run_ms,
       (greatest(lu.int_clock_time_high, 0)::bigint + 1) * 1000 AS longest_run_ms,
       coalesce(p.ts_ping < r.since AND (p.pk_frame IS NULL OR hs.ts_ping >= r.since), false) AS is_unreported
FROM (SELECT DISTINCT unnest($1::text[]) AS pk_host) want
CROSS JOIN LATERAL (SELECT h.* FROM host h WHERE h.pk_host = want.pk_host OFFSET 0) h
CROSS JOIN LATERAL (SELECT hs.* FROM host_stat hs WHERE hs.pk_host = want.pk_host OFFSET 0) hs
CROSS JOIN (SELECT current_timestamp - make_interval(secs => $2) AS since) r
LEFT JOIN LATERAL (SELECT p.* FROM proc p WHERE p.pk_host = want.pk_host OFFSET 0) p ON true
LEFT JOIN LATERAL (SELECT lu.* FROM layer_usage lu WHERE lu.pk_layer = p.pk_layer OFFSET 0) lu ON true
