-- A frame whose proc is lost gets another state ($4), unless somebody else changed it or owns it by now.
UPDATE frame f
SET str_state = $4,
    str_checkpoint_state = 'DISABLED',
    int_exit_status = $3,
    ts_stopped = current_timestamp,
    ts_updated = current_timestamp,
    int_version = f.int_version + 1
WHERE f.pk_frame = $1
  AND f.str_state = 'RUNNING'
  AND f.int_version = $2
  AND NOT EXISTS (SELECT FROM proc p WHERE p.pk_frame = f.pk_frame)
