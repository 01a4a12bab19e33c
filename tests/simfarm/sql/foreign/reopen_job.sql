-- A job with a frame to run again is pending again; its visible name stays as it is.
UPDATE job
SET str_state = 'PENDING', ts_stopped = NULL
WHERE pk_job = (SELECT f.pk_job FROM frame f WHERE f.pk_frame = $1) AND str_state = 'FINISHED'
