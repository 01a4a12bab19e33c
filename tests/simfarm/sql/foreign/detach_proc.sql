-- Takes a frame off the proc it ran in, and says which proc on which host that was.
UPDATE proc p
SET pk_frame = NULL
FROM host h
WHERE p.pk_frame = $1 AND h.pk_host = p.pk_host
RETURNING p.pk_proc, h.str_name
