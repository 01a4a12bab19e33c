-- Frame and host as the search of the booker saw them, without a lock.
SELECT f.int_version, f.pk_layer, f.pk_job, j.pk_show, j.pk_folder, j.pk_dept, h.pk_alloc, h.str_name
FROM frame f
JOIN job j ON j.pk_job = f.pk_job
JOIN host h ON h.pk_host = $2
WHERE f.pk_frame = $1 AND f.str_state = 'WAITING'
