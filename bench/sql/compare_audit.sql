-- Rows whose counters differ from the frames and procs that they count.
SELECT (SELECT count(*) FROM layer_stat s WHERE s.int_running_count
            <> (SELECT count(*) FROM frame f WHERE f.pk_layer = s.pk_layer AND f.str_state = 'RUNNING'))
     + (SELECT count(*) FROM job_stat s WHERE s.int_running_count
            <> (SELECT count(*) FROM frame f WHERE f.pk_job = s.pk_job AND f.str_state = 'RUNNING'))
     + (SELECT count(*) FROM host h WHERE h.int_cores - h.int_cores_idle
            <> (SELECT coalesce(sum(p.int_cores_reserved), 0) FROM proc p WHERE p.pk_host = h.pk_host))
     + (SELECT count(*) FROM job_resource r WHERE r.int_cores
            <> (SELECT coalesce(sum(p.int_cores_reserved), 0) FROM proc p WHERE p.pk_job = r.pk_job))
     + (SELECT count(*) FROM frame f WHERE f.str_state = 'RUNNING'
            AND NOT EXISTS (SELECT FROM proc p WHERE p.pk_frame = f.pk_frame))
