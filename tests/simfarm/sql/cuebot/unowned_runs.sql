-- The reported runs to kill: those whose proc has another frame or none, or a job that
-- is not pending, at once; those without a proc when they are two minutes old.
-- $1 resource ids, $2 frames, $3 ages in milliseconds.
SELECT r.place - 1
FROM unnest($1::text[], $2::text[], $3::int8[]) WITH ORDINALITY AS r (resource, frame, age, place)
JOIN frame f ON f.pk_frame = r.frame AND f.str_state = 'RUNNING'
LEFT JOIN proc p ON p.pk_proc = r.resource
LEFT JOIN job j ON j.pk_job = p.pk_job
WHERE CASE
    WHEN p.pk_proc IS NULL THEN r.age > 120000
    ELSE p.pk_frame IS DISTINCT FROM r.frame OR j.str_state IS DISTINCT FROM 'PENDING'
END
