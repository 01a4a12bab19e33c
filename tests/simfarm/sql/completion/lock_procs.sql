-- The procs to release, in key order; $2 takes also those that still own a frame.
SELECT p.pk_proc
FROM proc p
WHERE p.pk_proc = ANY ($1::text[]) AND NOT p.b_local AND ($2 OR p.pk_frame IS NULL)
ORDER BY p.pk_proc
FOR UPDATE
