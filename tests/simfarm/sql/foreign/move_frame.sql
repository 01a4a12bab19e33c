-- Moves a frame that does not run to another state.
UPDATE frame
SET str_state = $2, ts_updated = current_timestamp, int_version = int_version + 1
WHERE pk_frame = $1 AND str_state NOT IN ('RUNNING', 'SETUP', $2)
