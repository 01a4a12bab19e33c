-- Pauses a job or lets it go on.
UPDATE job SET b_paused = $2, ts_updated = current_timestamp WHERE pk_job = $1
