-- The version of a frame is a number that started at 0 and only grew.
SELECT format('frame %s has version %s', f.pk_frame, coalesce(f.int_version::text, 'NULL')) AS detail
FROM frame f
WHERE f.int_version IS NULL OR f.int_version < 0
ORDER BY f.pk_frame
