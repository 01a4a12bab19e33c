-- A RUNNING frame names the host of its proc.
SELECT format('frame %s says it runs on %s, its proc %s is on %s',
              f.pk_frame, coalesce(f.str_host, 'no host'), p.pk_proc, h.str_name) AS detail
FROM frame f
JOIN proc p ON p.pk_frame = f.pk_frame
JOIN host h ON h.pk_host = p.pk_host
WHERE f.str_state = 'RUNNING' AND f.str_host IS DISTINCT FROM h.str_name
ORDER BY f.pk_frame
