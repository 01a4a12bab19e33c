-- A department counts the cores and GPUs of the procs of its jobs in a show, local ones excepted.
SELECT format('point %s (show %s, dept %s) counts %s centicores, %s GPUs; the procs of its jobs reserve %s, %s',
              coalesce(r.pk_point, 'missing'), coalesce(r.pk_show, p.pk_show), coalesce(r.pk_dept, p.pk_dept),
              coalesce(r.int_cores, 0), coalesce(r.int_gpus, 0), coalesce(p.cores, 0), coalesce(p.gpus, 0)) AS detail
FROM point r
FULL JOIN (
    SELECT j.pk_show, j.pk_dept, sum(pr.int_cores_reserved) AS cores, sum(pr.int_gpus_reserved) AS gpus
    FROM proc pr
    JOIN job j ON j.pk_job = pr.pk_job
    WHERE NOT pr.b_local
    GROUP BY j.pk_show, j.pk_dept
) p ON p.pk_show = r.pk_show AND p.pk_dept = r.pk_dept
WHERE coalesce(r.int_cores, 0) <> coalesce(p.cores, 0) OR coalesce(r.int_gpus, 0) <> coalesce(p.gpus, 0)
ORDER BY coalesce(r.pk_point, p.pk_dept)
