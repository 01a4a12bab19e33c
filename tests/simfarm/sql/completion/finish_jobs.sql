-- Finishes pending jobs that have nothing left to run, and frees their names for another submission. Like Cuebot, it
-- locks no job that has something left: a booking of that job would wait for it.
WITH locked AS MATERIALIZED (
    SELECT j.pk_job
    FROM job j
    JOIN job_stat s ON s.pk_job = j.pk_job
    WHERE j.pk_job = ANY ($1::text[]) AND j.str_state = 'PENDING'
      AND s.int_waiting_count + s.int_running_count + s.int_dead_count
          + s.int_depend_count + s.int_checkpoint_count = 0
    ORDER BY j.pk_job
    FOR NO KEY UPDATE OF j
)
UPDATE job j
SET str_state = 'FINISHED', str_visible_name = NULL, ts_stopped = current_timestamp
FROM locked l
JOIN job_stat s ON s.pk_job = l.pk_job
WHERE j.pk_job = l.pk_job
  AND j.str_state = 'PENDING'
  AND s.int_waiting_count + s.int_running_count + s.int_dead_count
      + s.int_depend_count + s.int_checkpoint_count = 0
