-- A proc reserves at least one core and only whole ones: RQD refuses fractions.
SELECT format('proc %s of frame %s reserves %s centicores',
              p.pk_proc, coalesce(p.pk_frame, 'none'), p.int_cores_reserved) AS detail
FROM proc p
WHERE p.int_cores_reserved <= 0 OR p.int_cores_reserved % 100 <> 0
ORDER BY p.pk_proc
