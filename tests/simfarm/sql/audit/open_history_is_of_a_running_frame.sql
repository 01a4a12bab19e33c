-- Only a RUNNING frame has an open run in its history.
SELECT format('frame %s is %s and has an open run %s in its history', h.pk_frame, f.str_state, h.pk_frame_history) AS detail
FROM frame_history h
JOIN frame f ON f.pk_frame = h.pk_frame
WHERE h.int_ts_stopped = 0 AND f.str_state <> 'RUNNING'
ORDER BY h.pk_frame
