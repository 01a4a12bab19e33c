-- demand_gone: those of some jobs that demand_jobs would not return any more.
-- $1 facility name, or NULL for all of them; $2 jobs.
SELECT want.pk_job
FROM (SELECT unnest($2::text[]) AS pk_job) want
LEFT JOIN (
    SELECT o.pk_job
    FROM (
        SELECT j.pk_job, js.int_waiting_count, jr.int_cores, jr.int_max_cores
        FROM job j
        JOIN job_stat js ON js.pk_job = j.pk_job
        JOIN job_resource jr ON jr.pk_job = j.pk_job
        WHERE j.str_state = 'PENDING' AND j.b_paused = false
          AND (j.pk_show IN (SELECT sh.pk_show FROM show sh WHERE sh.b_active AND sh.b_scheduler_managed)) IS TRUE
          AND (j.pk_facility IN (SELECT fa.pk_facility FROM facility fa WHERE $1::text IS NULL OR fa.str_name = $1)) IS TRUE
        OFFSET 0
    ) o
    WHERE o.int_waiting_count > 0 AND o.int_max_cores > 0 AND o.int_cores < o.int_max_cores
) open ON open.pk_job = want.pk_job
WHERE open.pk_job IS NULL
