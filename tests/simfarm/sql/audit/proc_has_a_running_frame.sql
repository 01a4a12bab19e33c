-- A proc with a frame belongs to a RUNNING frame; one without is between the stop and the release.
SELECT format('proc %s holds frame %s, which is %s', p.pk_proc, p.pk_frame, coalesce(f.str_state, 'missing')) AS detail
FROM proc p
LEFT JOIN frame f ON f.pk_frame = p.pk_frame
WHERE p.pk_frame IS NOT NULL AND f.str_state IS DISTINCT FROM 'RUNNING'
ORDER BY p.pk_proc
