-- lock_limits: locks limits in the order of their keys. What runs under them is counted afterwards by
-- limit_use, a statement of its own, because only a new snapshot sees what the last holder committed.
-- $1 limits.
SELECT lr.pk_limit_record
FROM limit_record lr
WHERE lr.pk_limit_record = ANY($1::text[])
ORDER BY lr.pk_limit_record
FOR NO KEY UPDATE
