-- No limit has more frames RUNNING in its layers than its maximum.
SELECT format('limit %s (%s) has %s frames running, its maximum is %s',
              r.pk_limit_record, r.str_name, n.running, r.int_max_value) AS detail
FROM limit_record r
JOIN LATERAL (
    SELECT count(*) AS running
    FROM frame f
    WHERE f.str_state = 'RUNNING'
      AND f.pk_layer IN (SELECT ll.pk_layer FROM layer_limit ll WHERE ll.pk_limit_record = r.pk_limit_record)
) n ON true
WHERE n.running > r.int_max_value
ORDER BY r.pk_limit_record
