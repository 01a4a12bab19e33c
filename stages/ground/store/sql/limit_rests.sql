-- limit_rests: how many frames more could run under each limit, counted without a lock: it only tells
-- what is worth trying. What may be booked is counted by limit_use, under the lock on the row.
-- $1 limits.
SELECT lr.pk_limit_record, coalesce(lr.int_max_value, 0) - coalesce(sum(ls.int_running_count), 0)::bigint AS rest
FROM limit_record lr
LEFT JOIN layer_limit ll ON ll.pk_limit_record = lr.pk_limit_record
LEFT JOIN layer_stat ls ON ls.pk_layer = ll.pk_layer
WHERE lr.pk_limit_record = ANY($1::text[])
GROUP BY lr.pk_limit_record, lr.int_max_value
