-- The host on which a frame runs.
SELECT h.str_name
FROM proc p
JOIN host h ON h.pk_host = p.pk_host
WHERE p.pk_frame = $1
