-- lock_started: locks the frames of failed launches that are still the run that was booked.
-- $1 frames, $2 versions as the booking left them.
SELECT f.pk_frame, f.pk_layer, f.pk_job, f.str_checkpoint_state
FROM frame f
JOIN unnest($1::text[], $2::int[]) AS want(pk_frame, int_version)
  ON f.pk_frame = want.pk_frame AND f.int_version = want.int_version
WHERE f.str_state || '' = 'RUNNING'
ORDER BY f.pk_frame
FOR NO KEY UPDATE OF f
