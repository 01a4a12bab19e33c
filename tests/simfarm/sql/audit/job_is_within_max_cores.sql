-- No job has more cores booked than its cap, by its counter or by its procs; it has no value for "no cap".
SELECT format('job %s counts %s centicores, its procs reserve %s, its cap is %s',
              r.pk_job, r.int_cores, coalesce(p.cores, 0), r.int_max_cores) AS detail
FROM job_resource r
LEFT JOIN (
    SELECT pk_job, sum(int_cores_reserved) AS cores
    FROM proc
    WHERE NOT b_local
    GROUP BY pk_job
) p ON p.pk_job = r.pk_job
WHERE greatest(r.int_cores, p.cores, 0) > greatest(r.int_max_cores, 0)
ORDER BY r.pk_job
