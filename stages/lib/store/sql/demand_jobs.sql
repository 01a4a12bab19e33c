-- demand_jobs: pending jobs of managed shows with waiting frames, whatever subscriptions leave for them: all of them, or
-- those of which a row is newer than a snapshot, and then the number of all in a row without a job. Beside all jobs stand
-- the frames that are not theirs to start: by show, of paused jobs, of jobs at their cap, and those that depend on others.
-- $1 facility name, or NULL for all of them; $2 the oldest transaction that the snapshot saw running, or NULL for all
-- jobs; $3 folders that had caps then.
-- Rows are compared before anything else is read of them, and those that have changed are looked up by key.
-- Filters are above the joins, for the planner multiplies the shares that they leave and takes the rest for few.
-- Lists are hashed, and no arrays, which are gone through for each row: thousands of jobs change at once. IS TRUE keeps
-- the planner from joining a list.
-- A row that stays for two thousand million transactions has an age below zero until it has stayed for twice as many.
-- A folder without caps changes with every booking in it, and its jobs do not.
WITH seen AS MATERIALIZED (SELECT age($2::text::xid8::xid) AS age),
sites AS MATERIALIZED (
    SELECT sh.pk_show, sh.str_name AS show_name, fa.pk_facility, fa.str_name AS facility_name,
           age(sh.xmin) BETWEEN 0 AND seen.age OR age(fa.xmin) BETWEEN 0 AND seen.age AS changed
    FROM show sh
    CROSS JOIN facility fa
    CROSS JOIN seen
    WHERE sh.b_active AND sh.b_scheduler_managed
      AND ($1::text IS NULL OR fa.str_name = $1)
),
found AS MATERIALIZED (
    SELECT count(*) AS jobs, array_agg(o.pk_job) FILTER (WHERE o.changed) AS changed
    FROM (
        SELECT j.pk_job, js.int_waiting_count, jr.int_cores, jr.int_max_cores,
               age(j.xmin) <= (SELECT age FROM seen) OR age(js.xmin) <= (SELECT age FROM seen)
                   OR age(jr.xmin) <= (SELECT age FROM seen)
                   OR j.pk_show IN (SELECT pk_show FROM sites WHERE changed)
                   OR j.pk_folder IN (
                       SELECT fr.pk_folder FROM folder_resource fr
                       WHERE age(fr.xmin) BETWEEN 0 AND (SELECT age FROM seen)
                         AND (fr.int_max_cores <> -1 OR fr.int_max_gpus <> -1
                              OR fr.pk_folder IN (SELECT unnest($3::text[])))
                   ) AS changed
        FROM job j
        JOIN job_stat js ON js.pk_job = j.pk_job
        JOIN job_resource jr ON jr.pk_job = j.pk_job
        WHERE j.str_state = 'PENDING' AND j.b_paused = false
          AND ((j.pk_show, j.pk_facility) IN (SELECT pk_show, pk_facility FROM sites)) IS TRUE
        OFFSET 0
    ) o
    WHERE o.int_waiting_count > 0 AND o.int_max_cores > 0 AND o.int_cores < o.int_max_cores
),
wanted AS MATERIALIZED (
    SELECT unnest(found.changed) AS pk_job FROM found WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT j.pk_job FROM job j WHERE $2::text IS NULL AND j.str_state = 'PENDING' AND j.b_paused = false
)
SELECT NULL::text AS pk_facility, NULL::text AS facility_name, NULL::text AS pk_show, NULL::text AS show_name,
       NULL::text AS pk_folder, NULL::text AS pk_job, NULL::text AS job_name, NULL::text AS str_os,
       found.jobs AS int_priority, NULL::bigint AS int_cores, NULL::bigint AS cores_left, NULL::bigint AS gpus_left,
       NULL::bigint AS folder_cores_left, NULL::bigint AS folder_gpus_left, NULL::bigint AS started_us,
       NULL::bigint AS idle_since_us, NULL::text AS kept_by
FROM found
WHERE $2::text IS NOT NULL
UNION ALL
SELECT sites.pk_facility, sites.facility_name, sites.pk_show, sites.show_name, NULL, NULL, NULL, NULL, by_reason.frames, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, by_reason.kept_by
FROM (
    SELECT j.pk_show, j.pk_facility,
           sum(greatest(js.int_waiting_count, 0)) FILTER (WHERE j.b_paused)::bigint AS paused,
           sum(greatest(js.int_waiting_count, 0)) FILTER (
               WHERE NOT j.b_paused AND (jr.int_max_cores <= 0 OR jr.int_cores >= jr.int_max_cores)
           )::bigint AS job_cap,
           sum(greatest(js.int_depend_count, 0))::bigint AS depends
    FROM job j
    JOIN job_stat js ON js.pk_job = j.pk_job
    JOIN job_resource jr ON jr.pk_job = j.pk_job
    WHERE $2::text IS NULL AND j.str_state = 'PENDING'
    GROUP BY j.pk_show, j.pk_facility
) kept
JOIN sites ON sites.pk_show = kept.pk_show AND sites.pk_facility = kept.pk_facility
CROSS JOIN LATERAL (
    VALUES ('paused', kept.paused), ('job_cap', kept.job_cap), ('depends', kept.depends)
) by_reason (kept_by, frames)
WHERE by_reason.frames > 0
UNION ALL
SELECT sites.pk_facility, sites.facility_name, sites.pk_show, sites.show_name, j.pk_folder, j.pk_job, j.str_name, j.str_os,
       j.int_priority, j.int_cores,
       -- Half of what a bigint holds bounds a counter, so that the difference is one as well.
       j.int_max_cores - greatest(least(j.int_cores, 4611686018427387904), -4611686018427387904),
       j.int_max_gpus::bigint - j.int_gpus,
       CASE WHEN fr.int_max_cores = -1 THEN NULL
            WHEN fr.int_max_cores <= 0 THEN 0
            ELSE fr.int_max_cores::bigint - fr.int_cores END,
       CASE WHEN fr.int_max_gpus = -1 THEN NULL ELSE fr.int_max_gpus::bigint - fr.int_gpus END,
       (date_part('epoch', began.at) * 1000000)::bigint,
       CASE WHEN j.int_cores <= 0 THEN (date_part('epoch', greatest(began.at, (
           SELECT max(ls.ts_stopped) FROM layer_stat ls
           WHERE ls.pk_job = j.pk_job AND ls.ts_stopped BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 00:00+00'
       ))) * 1000000)::bigint END, NULL
FROM (
    SELECT j.pk_job, j.pk_show, j.pk_facility, j.pk_folder, j.str_name, j.str_os, j.ts_started, js.int_waiting_count,
           jr.int_priority::bigint AS int_priority, jr.int_cores::bigint AS int_cores, jr.int_max_cores,
           jr.int_gpus, jr.int_max_gpus
    FROM wanted
    JOIN job j ON j.pk_job = wanted.pk_job
    JOIN job_stat js ON js.pk_job = j.pk_job
    JOIN job_resource jr ON jr.pk_job = j.pk_job
    OFFSET 0
) j
JOIN sites ON sites.pk_show = j.pk_show AND sites.pk_facility = j.pk_facility
JOIN folder_resource fr ON fr.pk_folder = j.pk_folder
CROSS JOIN LATERAL (
    SELECT CASE WHEN j.ts_started BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 00:00+00'
                THEN j.ts_started ELSE 'epoch' END AS at
) began
WHERE j.int_waiting_count > 0 AND j.int_max_cores > 0 AND j.int_cores < j.int_max_cores
