-- Ends the run of a frame by hand.
UPDATE frame
SET str_state = $2,
    int_exit_status = $3,
    ts_stopped = current_timestamp,
    ts_updated = current_timestamp,
    int_version = int_version + 1,
    int_total_past_core_time = least(2147483647, int_total_past_core_time
        + round(coalesce(extract(epoch FROM current_timestamp - ts_started), 0) * int_cores / 100))::int4
WHERE pk_frame = $1 AND str_state = 'RUNNING'
