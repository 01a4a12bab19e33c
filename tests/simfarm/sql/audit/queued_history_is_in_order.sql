-- A run starts only after the one before it has ended, in the history and the events that wait for it.
SELECT format('frame %s starts a run at event %s while another is open', e.pk_frame, e.id) AS detail
FROM (
    SELECT pk_frame, id, str_event,
           lag(str_event) OVER (PARTITION BY pk_frame ORDER BY id) AS before
    FROM (
        SELECT pk_frame, id, str_event::text FROM frame_history_queue
        UNION ALL
        SELECT pk_frame, 0, 'S' FROM frame_history WHERE int_ts_stopped = 0
    ) AS runs
) AS e
WHERE e.str_event = 'S' AND e.before = 'S'
ORDER BY e.pk_frame, e.id
