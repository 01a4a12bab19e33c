-- Puts every frame of the farm back, with all jobs paused so that nothing is booked meanwhile.
\set ON_ERROR_STOP 1
UPDATE job SET b_paused = true;
-- Schedulers that know a waiting job from a reading see the pause first.
SELECT pg_sleep(2);
BEGIN;
DELETE FROM proc;
UPDATE host SET int_cores_idle = int_cores, int_mem_idle = int_mem;
UPDATE frame
SET str_state = 'WAITING', int_exit_status = 0, ts_stopped = now(), ts_updated = now(), int_version = int_version + 1
WHERE str_state = 'RUNNING';
UPDATE subscription SET int_cores = 0;
UPDATE job_resource SET int_cores = 0;
UPDATE layer_resource SET int_cores = 0;
UPDATE folder_resource SET int_cores = 0;
UPDATE point SET int_cores = 0;
COMMIT;
VACUUM;
