-- Every frame is in one of the eight states.
SELECT format('frame %s is in state %s', f.pk_frame, f.str_state) AS detail
FROM frame f
WHERE f.str_state NOT IN ('WAITING', 'SETUP', 'RUNNING', 'SUCCEEDED', 'DEPEND', 'DEAD', 'EATEN', 'CHECKPOINT')
ORDER BY f.pk_frame
