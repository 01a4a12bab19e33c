-- lock_counters: locks and reads the counters that caps are about, in the order in which Cuebot
-- locks them, each table in the order of its key. One round trip: these rows are the hottest of
-- the farm and are held from here to the commit. Everybody waits for them, so they are not held for long while
-- another one is waited for.
-- $1 shows and $2 allocations (pairwise), $3 layers, $4 jobs, $5 folders, $6 departments and
-- $7 their shows (pairwise).
SELECT 'lock_timeout'::text AS kind,
       set_config('lock_timeout', least(nullif(extract(epoch FROM current_setting('lock_timeout')::interval) * 1000, 0)::int, 250)::text, true) AS id,
       NULL::text AS other_id, NULL::bigint AS cores, NULL::bigint AS max_cores, NULL::bigint AS gpus, NULL::bigint AS max_gpus
UNION ALL
SELECT * FROM (
    SELECT 'subscription'::text, s.pk_show::text, s.pk_alloc::text, s.int_cores::bigint,
           s.int_burst::bigint, s.int_gpus::bigint, NULL::bigint
    FROM subscription s
    WHERE (s.pk_show, s.pk_alloc) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    ORDER BY s.pk_subscription FOR NO KEY UPDATE
) subscriptions
UNION ALL
SELECT * FROM (
    SELECT 'layer'::text, lr.pk_layer::text, NULL::text, lr.int_cores::bigint, NULL::bigint, lr.int_gpus::bigint, NULL::bigint
    FROM layer_resource lr
    WHERE lr.pk_layer = ANY($3::text[])
    ORDER BY lr.pk_layer_resource FOR NO KEY UPDATE
) layers
UNION ALL
SELECT * FROM (
    SELECT 'job'::text, jr.pk_job::text, NULL::text, jr.int_cores::bigint, jr.int_max_cores::bigint, jr.int_gpus::bigint, jr.int_max_gpus::bigint
    FROM job_resource jr
    WHERE jr.pk_job = ANY($4::text[])
    ORDER BY jr.pk_job_resource FOR NO KEY UPDATE
) jobs
UNION ALL
SELECT * FROM (
    SELECT 'folder'::text, fr.pk_folder::text, NULL::text, fr.int_cores::bigint, fr.int_max_cores::bigint, fr.int_gpus::bigint, fr.int_max_gpus::bigint
    FROM folder_resource fr
    WHERE fr.pk_folder = ANY($5::text[])
    ORDER BY fr.pk_folder_resource FOR NO KEY UPDATE
) folders
UNION ALL
SELECT * FROM (
    SELECT 'point'::text, p.pk_dept::text, p.pk_show::text, p.int_cores::bigint, NULL::bigint, p.int_gpus::bigint, NULL::bigint
    FROM point p
    WHERE (p.pk_dept, p.pk_show) IN (SELECT * FROM unnest($6::text[], $7::text[]))
    ORDER BY p.pk_point FOR NO KEY UPDATE
) points
