-- held_rows: rows that a booking or an undo would wait for, and the sessions that hold them, as far as they are
-- known. Nothing is waited for; end the transaction at once, because it locks rows meanwhile. A holder is known by
-- its transaction where it holds the row alone. A row that is in the way for a moment only is recognised by the age of
-- its transaction, and by the time for which it has sent nothing.
-- $1 shows and $2 allocations (pairwise), $3 layers, $4 jobs, $5 folders, $6 departments and $7 their shows (pairwise),
-- $8 limits, $9 frames, $10 procs, $11 hosts, $12 layers whose own rows are meant.
WITH asked AS MATERIALIZED (
    SELECT 'layer_stat'::text AS kind, ls.pk_layer::text AS id, NULL::text AS other_id, ls.xmax AS holder
    FROM layer_stat ls WHERE ls.pk_layer = ANY($3::text[])
    UNION ALL
    SELECT 'job_stat', js.pk_job, NULL, js.xmax FROM job_stat js WHERE js.pk_job = ANY($4::text[])
    UNION ALL
    SELECT 'job', j.pk_job, NULL, j.xmax FROM job j WHERE j.pk_job = ANY($4::text[])
    UNION ALL
    SELECT 'limit_record', lr.pk_limit_record, NULL, lr.xmax FROM limit_record lr WHERE lr.pk_limit_record = ANY($8::text[])
    UNION ALL
    SELECT 'subscription', s.pk_show, s.pk_alloc, s.xmax FROM subscription s
    WHERE (s.pk_show, s.pk_alloc) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    UNION ALL
    SELECT 'layer_resource', r.pk_layer, NULL, r.xmax FROM layer_resource r WHERE r.pk_layer = ANY($3::text[])
    UNION ALL
    SELECT 'job_resource', r.pk_job, NULL, r.xmax FROM job_resource r WHERE r.pk_job = ANY($4::text[])
    UNION ALL
    SELECT 'folder_resource', r.pk_folder, NULL, r.xmax FROM folder_resource r WHERE r.pk_folder = ANY($5::text[])
    UNION ALL
    SELECT 'point', p.pk_dept, p.pk_show, p.xmax FROM point p
    WHERE (p.pk_dept, p.pk_show) IN (SELECT * FROM unnest($6::text[], $7::text[]))
    UNION ALL
    SELECT 'frame', f.pk_frame, NULL, f.xmax FROM frame f WHERE f.pk_frame = ANY($9::text[])
    UNION ALL
    SELECT 'proc', p.pk_proc, NULL, p.xmax FROM proc p WHERE p.pk_proc = ANY($10::text[])
    UNION ALL
    SELECT 'host', h.pk_host, NULL, h.xmax FROM host h WHERE h.pk_host = ANY($11::text[])
    UNION ALL
    SELECT 'layer', l.pk_layer, NULL, l.xmax FROM layer l WHERE l.pk_layer = ANY($12::text[])
),
free AS MATERIALIZED (
    SELECT 'layer_stat'::text AS kind, x.pk_layer::text AS id, NULL::text AS other_id FROM (
        SELECT ls.pk_layer FROM layer_stat ls WHERE ls.pk_layer = ANY($3::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'job_stat', x.pk_job, NULL FROM (
        SELECT js.pk_job FROM job_stat js WHERE js.pk_job = ANY($4::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'job', x.pk_job, NULL FROM (
        SELECT j.pk_job FROM job j WHERE j.pk_job = ANY($4::text[]) FOR SHARE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'limit_record', x.pk_limit_record, NULL FROM (
        SELECT lr.pk_limit_record FROM limit_record lr WHERE lr.pk_limit_record = ANY($8::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'subscription', x.pk_show, x.pk_alloc FROM (
        SELECT s.pk_show, s.pk_alloc FROM subscription s
        WHERE (s.pk_show, s.pk_alloc) IN (SELECT * FROM unnest($1::text[], $2::text[])) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'layer_resource', x.pk_layer, NULL FROM (
        SELECT r.pk_layer FROM layer_resource r WHERE r.pk_layer = ANY($3::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'job_resource', x.pk_job, NULL FROM (
        SELECT r.pk_job FROM job_resource r WHERE r.pk_job = ANY($4::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'folder_resource', x.pk_folder, NULL FROM (
        SELECT r.pk_folder FROM folder_resource r WHERE r.pk_folder = ANY($5::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'point', x.pk_dept, x.pk_show FROM (
        SELECT p.pk_dept, p.pk_show FROM point p
        WHERE (p.pk_dept, p.pk_show) IN (SELECT * FROM unnest($6::text[], $7::text[])) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'frame', x.pk_frame, NULL FROM (
        SELECT f.pk_frame FROM frame f WHERE f.pk_frame = ANY($9::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'proc', x.pk_proc, NULL FROM (
        SELECT p.pk_proc FROM proc p WHERE p.pk_proc = ANY($10::text[]) FOR UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'host', x.pk_host, NULL FROM (
        SELECT h.pk_host FROM host h WHERE h.pk_host = ANY($11::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
    UNION ALL
    SELECT 'layer', x.pk_layer, NULL FROM (
        SELECT l.pk_layer FROM layer l WHERE l.pk_layer = ANY($12::text[]) FOR NO KEY UPDATE SKIP LOCKED
    ) x
),
held AS MATERIALIZED (
    SELECT a.* FROM asked a
    WHERE NOT EXISTS (
        SELECT 1 FROM free f WHERE f.kind = a.kind AND f.id = a.id AND f.other_id IS NOT DISTINCT FROM a.other_id
    )
),
holders AS MATERIALIZED (
    SELECT l.transactionid, s.pid, s.application_name,
           extract(epoch FROM clock_timestamp() - s.xact_start)::float8 AS held_seconds,
           CASE WHEN s.state <> 'active' THEN extract(epoch FROM clock_timestamp() - s.state_change)::float8 END
               AS idle_seconds
    FROM pg_locks l
    JOIN pg_stat_activity s ON s.pid = l.pid
    WHERE EXISTS (SELECT 1 FROM held) AND l.locktype = 'transactionid' AND l.granted
)
SELECT h.kind, h.id, h.other_id, s.pid, s.application_name, s.held_seconds, s.idle_seconds
FROM held h
LEFT JOIN holders s ON s.transactionid = h.holder
