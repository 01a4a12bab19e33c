-- Ends the run of a frame by hand; with a proc ($4) only that run.
UPDATE frame
SET str_state = $2,
    int_exit_status = $3,
    ts_stopped = current_timestamp,
    ts_updated = current_timestamp,
    int_version = int_version + 1,
    int_total_past_core_time = least(2147483647, int_total_past_core_time
        + round(coalesce(extract(epoch FROM current_timestamp - ts_started), 0) * int_cores / 100))::int4
WHERE pk_frame = $1 AND str_state = 'RUNNING'
  AND ($4::text IS NULL OR EXISTS (SELECT FROM proc p WHERE p.pk_proc = $4 AND p.pk_frame = $1))
