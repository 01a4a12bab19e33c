-- limit_use: how many frames run under each limit, counted while its row is locked.
-- $1 limits.
SELECT ll.pk_limit_record, sum(ls.int_running_count)::bigint AS running
FROM layer_limit ll
JOIN layer_stat ls ON ls.pk_layer = ll.pk_layer
WHERE ll.pk_limit_record = ANY($1::text[])
GROUP BY ll.pk_limit_record
