-- Makes the farm of compare_seed.sql one that has run for a day: a million runs in the history, and statistics whose
-- rows were updated 160 times since they were vacuumed last.
ALTER TABLE frame_history DISABLE TRIGGER ALL;
INSERT INTO frame_history (pk_frame, pk_layer, pk_job, pk_alloc, str_name, str_state, str_host, int_ts_started,
                           int_ts_stopped, int_exit_status, dt_last_modified)
SELECT f.pk_frame, f.pk_layer, f.pk_job, (SELECT min(pk_alloc) FROM alloc), f.str_name, 'RUNNING', 'host1', 1600000000 + n, 1600000100 + n, 0,
       current_date
FROM frame f
CROSS JOIN generate_series(1, (SELECT 1000000 / count(*) FROM frame)) n;
ALTER TABLE frame_history ENABLE TRIGGER ALL;
ALTER TABLE layer_stat SET (autovacuum_enabled = off);
ALTER TABLE job_stat SET (autovacuum_enabled = off);
DO $$
BEGIN
    FOR i IN 1..80 LOOP
        UPDATE layer_stat SET int_waiting_count = int_waiting_count - 1;
        UPDATE layer_stat SET int_waiting_count = int_waiting_count + 1;
        UPDATE job_stat SET int_waiting_count = int_waiting_count - 1;
        UPDATE job_stat SET int_waiting_count = int_waiting_count + 1;
        COMMIT;
    END LOOP;
END
$$;
