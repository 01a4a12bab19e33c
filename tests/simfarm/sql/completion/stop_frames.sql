-- Ends the run of frames that are still RUNNING in the version that was read, unless another proc
-- owns the frame by now. The triggers may turn WAITING into CHECKPOINT or DEPEND.
UPDATE frame f
SET str_state = d.state,
    int_exit_status = d.exit_status,
    ts_stopped = current_timestamp + interval '1 second',
    ts_updated = current_timestamp,
    int_mem_max_used = d.max_rss,
    int_version = f.int_version + 1,
    int_total_past_core_time = least(2147483647, f.int_total_past_core_time
        + round(coalesce(extract(epoch FROM current_timestamp - f.ts_started), 0) * f.int_cores / 100))::int4,
    int_total_past_gpu_time = least(2147483647, f.int_total_past_gpu_time
        + round(coalesce(extract(epoch FROM current_timestamp - f.ts_started), 0) * f.int_gpus))::int4
FROM unnest($1::int8[], $2::text[], $3::text[], $4::int4[], $5::text[], $6::int4[], $7::int8[])
    AS d (place, pk_frame, pk_proc, version, state, exit_status, max_rss)
WHERE f.pk_frame = d.pk_frame
  AND f.str_state = 'RUNNING'
  AND f.int_version = d.version
  AND NOT EXISTS (SELECT FROM proc p WHERE p.pk_frame = f.pk_frame AND p.pk_proc <> d.pk_proc)
RETURNING d.place, f.pk_job, f.pk_layer, f.int_cores::int8, f.int_gpus::int8, f.int_mem_reserved
