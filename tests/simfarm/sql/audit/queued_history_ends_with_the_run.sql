-- Only a RUNNING frame has a run that is open after the events that wait for the history.
SELECT format('frame %s is %s and its last event %s is a start', f.pk_frame, f.str_state, e.id) AS detail
FROM (
    SELECT DISTINCT ON (pk_frame) pk_frame, id, str_event
    FROM (
        SELECT pk_frame, id, str_event::text FROM frame_history_queue
        UNION ALL
        SELECT pk_frame, 0, 'S' FROM frame_history WHERE int_ts_stopped = 0
    ) AS runs
    ORDER BY pk_frame, id DESC
) AS e
JOIN frame f ON f.pk_frame = e.pk_frame
WHERE e.str_event = 'S' AND f.str_state <> 'RUNNING'
ORDER BY f.pk_frame
