-- A job counts the cores and GPUs of its procs, local ones excepted.
SELECT format('job %s counts %s centicores, %s GPUs; its procs reserve %s, %s',
              coalesce(r.pk_job, p.pk_job), coalesce(r.int_cores, 0), coalesce(r.int_gpus, 0),
              coalesce(p.cores, 0), coalesce(p.gpus, 0)) AS detail
FROM job_resource r
FULL JOIN (
    SELECT pk_job, sum(int_cores_reserved) AS cores, sum(int_gpus_reserved) AS gpus
    FROM proc
    WHERE NOT b_local
    GROUP BY pk_job
) p ON p.pk_job = r.pk_job
WHERE coalesce(r.int_cores, 0) <> coalesce(p.cores, 0) OR coalesce(r.int_gpus, 0) <> coalesce(p.gpus, 0)
ORDER BY coalesce(r.pk_job, p.pk_job)
