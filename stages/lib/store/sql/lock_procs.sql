-- lock_procs: locks procs that are still on the frame they were booked for, and reads what hangs on them.
-- $1 procs, $2 their frames.
SELECT p.pk_proc, p.pk_frame, p.pk_host, p.pk_show, p.pk_layer, p.pk_job, h.pk_alloc, j.pk_folder, j.pk_dept
FROM proc p
JOIN unnest($1::text[], $2::text[]) AS want(pk_proc, pk_frame)
  ON p.pk_proc = want.pk_proc AND p.pk_frame = want.pk_frame
JOIN host h ON h.pk_host = p.pk_host
JOIN job j ON j.pk_job = p.pk_job
ORDER BY p.pk_proc
FOR UPDATE OF p
