-- The proc in which a frame runs, and its host.
SELECT p.pk_proc, h.str_name
FROM proc p
JOIN host h ON h.pk_host = p.pk_host
WHERE p.pk_frame = $1
