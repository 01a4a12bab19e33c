-- check_limits: limits that do not hold back what somebody may think they do. Columns of newer schemas are
-- read out of the row as JSON, where a missing one is NULL.
SELECT lr.str_name,
       lr.int_max_value IS NULL AS without_maximum,
       coalesce(r.enforced AND r.ttl > 0 AND r.age > r.ttl, false) AS stale,
       least(greatest(r.age, 0), 1000000000000)::bigint AS report_age,
       coalesce(d.doubled, 0)::bigint AS doubled
FROM limit_record lr
CROSS JOIN LATERAL (
    SELECT n.newer ->> 'str_enforcement' = 'ENFORCED' AS enforced,
           (n.newer ->> 'int_report_ttl')::bigint AS ttl,
           extract(epoch FROM clock_timestamp()) - extract(epoch FROM (n.newer ->> 'ts_reported')::timestamptz) AS age
    FROM (SELECT to_jsonb(lr) AS newer) n
) r
LEFT JOIN (
    SELECT p.pk_limit_record, count(*) AS doubled
    FROM (
        SELECT ll.pk_limit_record, ll.pk_layer
        FROM layer_limit ll
        GROUP BY ll.pk_limit_record, ll.pk_layer
        HAVING count(*) > 1
    ) p
    GROUP BY p.pk_limit_record
) d ON d.pk_limit_record = lr.pk_limit_record
WHERE lr.int_max_value IS NULL OR r.enforced AND r.ttl > 0 AND r.age > r.ttl OR d.doubled > 0
ORDER BY lr.str_name
