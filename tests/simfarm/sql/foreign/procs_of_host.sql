-- Procs of a host, with the version of each frame that guards the clearing.
SELECT p.pk_proc, h.str_name, f.pk_frame, f.int_version
FROM proc p
JOIN host h ON h.pk_host = p.pk_host
LEFT JOIN frame f ON f.pk_frame = p.pk_frame
WHERE p.pk_host = $1 AND NOT p.b_local
ORDER BY p.pk_proc
