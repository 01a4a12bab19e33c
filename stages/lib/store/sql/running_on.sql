-- running_on: the procs of one host with the names of their frames, the oldest first, and whether no report of the
-- host names them, as in check_unreported.
-- $1 host; $2 procs, at most; $3 seconds without a report.
SELECT s.str_name AS show_name, j.str_name AS job_name, l.str_name AS layer_name, f.str_name AS frame_name,
       p.int_cores_reserved AS cores_held, p.int_mem_reserved AS mem_held,
       p.int_gpus_reserved::bigint AS gpus_held, p.int_gpu_mem_reserved AS gpu_mem_held, p.int_mem_used AS mem_used,
       CASE WHEN p.ts_dispatched BETWEEN '0001-01-01 00:00+00' AND current_timestamp
            THEN floor(date_part('epoch', current_timestamp - p.ts_dispatched) * 1000)::bigint ELSE 0 END AS elapsed_ms,
       p.ts_ping < current_timestamp - make_interval(secs => $3)
           AND (p.pk_frame IS NULL OR hs.ts_ping >= current_timestamp - make_interval(secs => $3)) AS is_unreported
FROM (SELECT p.* FROM proc p WHERE p.pk_host = $1 ORDER BY p.ts_dispatched, p.pk_proc LIMIT $2::bigint) p
JOIN host_stat hs ON hs.pk_host = p.pk_host
LEFT JOIN frame f ON f.pk_frame = p.pk_frame
LEFT JOIN layer l ON l.pk_layer = p.pk_layer
LEFT JOIN job j ON j.pk_job = p.pk_job
LEFT JOIN show s ON s.pk_show = p.pk_show
ORDER BY elapsed_ms DESC, f.str_name
