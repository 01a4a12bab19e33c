-- The frames of a job that run now.
SELECT pk_frame FROM frame WHERE pk_job = $1 AND str_state = 'RUNNING' ORDER BY pk_frame
