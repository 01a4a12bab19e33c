-- The job_stat rows that the triggers of the frames below are going to write, in key order.
SELECT js.pk_job
FROM job_stat js
WHERE js.pk_job IN (SELECT f.pk_job FROM frame f WHERE f.pk_frame = ANY ($1::text[]))
ORDER BY js.pk_job_stat
FOR NO KEY UPDATE
