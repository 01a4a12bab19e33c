-- A RUNNING frame has a proc; the unique key on proc.pk_frame keeps it from having two.
SELECT format('frame %s (%s) of job %s is RUNNING on %s without a proc',
              f.pk_frame, f.str_name, f.pk_job, f.str_host) AS detail
FROM frame f
WHERE f.str_state = 'RUNNING'
  AND NOT EXISTS (SELECT FROM proc p WHERE p.pk_frame = f.pk_frame)
ORDER BY f.pk_frame
