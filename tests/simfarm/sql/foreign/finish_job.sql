-- Ends a pending job by force, and frees its name for another submission.
UPDATE job
SET str_state = 'FINISHED', str_visible_name = NULL, ts_stopped = current_timestamp
WHERE pk_job = $1 AND str_state = 'PENDING'
