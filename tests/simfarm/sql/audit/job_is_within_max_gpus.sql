-- No job has more gpus booked than its cap, by its counter or by its procs; it has no value for "no cap".
SELECT format('job %s counts %s GPUs, its procs reserve %s, its cap is %s',
              r.pk_job, r.int_gpus, coalesce(p.gpus, 0), r.int_max_gpus) AS detail
FROM job_resource r
LEFT JOIN (
    SELECT pk_job, sum(int_gpus_reserved) AS gpus
    FROM proc
    WHERE NOT b_local
    GROUP BY pk_job
) p ON p.pk_job = r.pk_job
WHERE greatest(r.int_gpus, p.gpus, 0) > greatest(r.int_max_gpus, 0)
ORDER BY r.pk_job
