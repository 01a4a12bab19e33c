-- No folder has more gpus booked than its cap, by its counter or by the procs of its jobs; -1 is no cap.
SELECT format('folder %s counts %s GPUs, the procs of its jobs reserve %s, its cap is %s',
              r.pk_folder, r.int_gpus, coalesce(p.gpus, 0), r.int_max_gpus) AS detail
FROM folder_resource r
LEFT JOIN (
    SELECT j.pk_folder, sum(pr.int_gpus_reserved) AS gpus
    FROM proc pr
    JOIN job j ON j.pk_job = pr.pk_job
    WHERE NOT pr.b_local
    GROUP BY j.pk_folder
) p ON p.pk_folder = r.pk_folder
WHERE r.int_max_gpus <> -1 AND greatest(r.int_gpus, p.gpus, 0) > greatest(r.int_max_gpus, 0)
ORDER BY r.pk_folder
