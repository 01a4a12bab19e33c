-- A subscription counts the cores and GPUs of its show's procs on its allocation's hosts, local ones excepted.
SELECT format('subscription %s (show %s, alloc %s) counts %s centicores, %s GPUs; its procs reserve %s, %s',
              coalesce(s.pk_subscription, 'missing'), coalesce(s.pk_show, p.pk_show), coalesce(s.pk_alloc, p.pk_alloc),
              coalesce(s.int_cores, 0), coalesce(s.int_gpus, 0), coalesce(p.cores, 0), coalesce(p.gpus, 0)) AS detail
FROM subscription s
FULL JOIN (
    SELECT pr.pk_show, h.pk_alloc, sum(pr.int_cores_reserved) AS cores, sum(pr.int_gpus_reserved) AS gpus
    FROM proc pr
    JOIN host h ON h.pk_host = pr.pk_host
    WHERE NOT pr.b_local
    GROUP BY pr.pk_show, h.pk_alloc
) p ON p.pk_show = s.pk_show AND p.pk_alloc = s.pk_alloc
WHERE coalesce(s.int_cores, 0) <> coalesce(p.cores, 0) OR coalesce(s.int_gpus, 0) <> coalesce(p.gpus, 0)
ORDER BY coalesce(s.pk_subscription, p.pk_show)
