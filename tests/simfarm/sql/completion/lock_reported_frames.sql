-- The frames a batch of reports speaks of, locked in key order, with what decides their next state.
-- A report counts when its proc still owns the frame, or when the proc is gone and nobody owns it.
SELECT r.place,
       f.str_state,
       f.int_version,
       f.int_exit_status,
       f.int_retries,
       j.int_max_retries,
       j.b_autoeat,
       l.int_timeout,
       l.int_timeout_llu,
       (extract(epoch FROM current_timestamp - f.ts_llu) / 60)::float8 AS minutes_since_log,
       coalesce(h.str_lock_state = 'NIMBY_LOCKED', false) AS nimby_locked
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r (pk_proc, pk_frame, place)
JOIN frame f ON f.pk_frame = r.pk_frame
JOIN layer l ON l.pk_layer = f.pk_layer
JOIN job j ON j.pk_job = f.pk_job
LEFT JOIN proc p ON p.pk_proc = r.pk_proc
LEFT JOIN host h ON h.pk_host = p.pk_host
LEFT JOIN proc owner ON owner.pk_frame = f.pk_frame
WHERE p.pk_frame = f.pk_frame
   OR (p.pk_proc IS NULL AND owner.pk_proc IS NULL AND f.str_state = 'RUNNING')
ORDER BY f.pk_frame
FOR NO KEY UPDATE OF f
