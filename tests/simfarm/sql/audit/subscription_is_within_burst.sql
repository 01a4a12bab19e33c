-- No show has more cores booked in an allocation than its burst, by its counter or by its procs.
SELECT format('subscription %s (show %s, alloc %s) counts %s centicores, its procs reserve %s, its burst is %s',
              s.pk_subscription, s.pk_show, s.pk_alloc, s.int_cores, coalesce(p.cores, 0), s.int_burst) AS detail
FROM subscription s
LEFT JOIN (
    SELECT pr.pk_show, h.pk_alloc, sum(pr.int_cores_reserved) AS cores
    FROM proc pr
    JOIN host h ON h.pk_host = pr.pk_host
    WHERE NOT pr.b_local
    GROUP BY pr.pk_show, h.pk_alloc
) p ON p.pk_show = s.pk_show AND p.pk_alloc = s.pk_alloc
WHERE greatest(s.int_cores, p.cores, 0) > greatest(s.int_burst, 0)
ORDER BY s.pk_subscription
