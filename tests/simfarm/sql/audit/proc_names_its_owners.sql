-- A proc names the layer, job and show of its frame.
SELECT format('proc %s names layer %s, job %s, show %s; its frame %s is of %s, %s, %s',
              p.pk_proc, p.pk_layer, p.pk_job, p.pk_show, f.pk_frame, f.pk_layer, f.pk_job, j.pk_show) AS detail
FROM proc p
JOIN frame f ON f.pk_frame = p.pk_frame
JOIN job j ON j.pk_job = f.pk_job
WHERE (p.pk_layer, p.pk_job, p.pk_show) IS DISTINCT FROM (f.pk_layer, f.pk_job, j.pk_show)
ORDER BY p.pk_proc
