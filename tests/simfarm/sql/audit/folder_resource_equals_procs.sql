-- A folder counts the cores and GPUs of the procs of the jobs in it, local ones excepted.
SELECT format('folder %s counts %s centicores, %s GPUs; the procs of its jobs reserve %s, %s',
              coalesce(r.pk_folder, p.pk_folder), coalesce(r.int_cores, 0), coalesce(r.int_gpus, 0),
              coalesce(p.cores, 0), coalesce(p.gpus, 0)) AS detail
FROM folder_resource r
FULL JOIN (
    SELECT j.pk_folder, sum(pr.int_cores_reserved) AS cores, sum(pr.int_gpus_reserved) AS gpus
    FROM proc pr
    JOIN job j ON j.pk_job = pr.pk_job
    WHERE NOT pr.b_local
    GROUP BY j.pk_folder
) p ON p.pk_folder = r.pk_folder
WHERE coalesce(r.int_cores, 0) <> coalesce(p.cores, 0) OR coalesce(r.int_gpus, 0) <> coalesce(p.gpus, 0)
ORDER BY coalesce(r.pk_folder, p.pk_folder)
