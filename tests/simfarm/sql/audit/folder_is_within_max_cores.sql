-- No folder has more cores booked than its cap, by its counter or by the procs of its jobs; -1 is no cap.
SELECT format('folder %s counts %s centicores, the procs of its jobs reserve %s, its cap is %s',
              r.pk_folder, r.int_cores, coalesce(p.cores, 0), r.int_max_cores) AS detail
FROM folder_resource r
LEFT JOIN (
    SELECT j.pk_folder, sum(pr.int_cores_reserved) AS cores
    FROM proc pr
    JOIN job j ON j.pk_job = pr.pk_job
    WHERE NOT pr.b_local
    GROUP BY j.pk_folder
) p ON p.pk_folder = r.pk_folder
WHERE r.int_max_cores <> -1 AND greatest(r.int_cores, p.cores, 0) > greatest(r.int_max_cores, 0)
ORDER BY r.pk_folder
