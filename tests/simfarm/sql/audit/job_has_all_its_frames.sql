-- An activated job has as many frame rows as it was given.
SELECT format('job %s was given %s frames and has %s', j.pk_job, j.int_frame_count, coalesce(f.frames, 0)) AS detail
FROM job j
LEFT JOIN (SELECT pk_job, count(*) AS frames FROM frame GROUP BY pk_job) f ON f.pk_job = j.pk_job
WHERE j.str_state IN ('PENDING', 'FINISHED') AND j.int_frame_count <> coalesce(f.frames, 0)
ORDER BY j.pk_job
