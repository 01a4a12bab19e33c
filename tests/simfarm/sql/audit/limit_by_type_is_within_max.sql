-- No enforced limit without a report has more frames, or hosts, RUNNING in its layers than it allows.
SELECT format('limit %s (%s) has %s running by %s, its maximum is %s',
              r.pk_limit_record, r.str_name, n.running, r.str_type, r.most) AS detail
FROM (
    SELECT pk_limit_record, str_name, str_type,
           CASE WHEN str_type = 'HOST' AND int_soft_value >= 0 THEN int_soft_value ELSE int_max_value END AS most
    FROM limit_record
    -- Usage by others can grow after a booking, and a report of it is no cap on running frames.
    WHERE str_enforcement = 'ENFORCED' AND ts_reported IS NULL
) r
JOIN LATERAL (
    SELECT CASE r.str_type WHEN 'HOST' THEN count(DISTINCT p.pk_host) ELSE count(*) END AS running
    FROM frame f
    JOIN proc p ON p.pk_frame = f.pk_frame
    WHERE f.str_state = 'RUNNING'
      AND f.pk_layer IN (SELECT ll.pk_layer FROM layer_limit ll WHERE ll.pk_limit_record = r.pk_limit_record)
) n ON true
WHERE n.running > r.most
ORDER BY r.pk_limit_record
