-- A frame has at most one open run in its history.
SELECT format('frame %s has %s open runs in its history', h.pk_frame, count(*)) AS detail
FROM frame_history h
WHERE h.int_ts_stopped = 0
GROUP BY h.pk_frame
HAVING count(*) > 1
ORDER BY h.pk_frame
