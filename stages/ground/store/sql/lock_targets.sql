-- lock_targets: locks the hosts of a plan that are free, open and up, and reads what is idle; and reads
-- what the caps say at this moment, without a lock on them.
-- A host that somebody else holds is passed over, not waited for.
-- $1 hosts, $2 shows and $3 allocations (pairwise), $4 jobs, $5 folders.
SELECT * FROM (
    SELECT 'host'::text AS kind, h.pk_host::text AS id, h.pk_alloc::text AS other_id,
           h.int_cores_idle::bigint AS cores, NULL::bigint AS max_cores, h.int_gpus_idle::bigint AS gpus, NULL::bigint AS max_gpus,
           h.int_mem_idle::bigint AS mem, h.int_gpu_mem_idle::bigint AS gpu_mem
    FROM host h
    JOIN host_stat hs ON hs.pk_host = h.pk_host
    WHERE h.pk_host = ANY($1::text[]) AND h.str_lock_state = 'OPEN' AND hs.str_state = 'UP'
    ORDER BY h.pk_host
    FOR NO KEY UPDATE OF h SKIP LOCKED
) hosts
UNION ALL
SELECT 'subscription'::text, s.pk_show::text, s.pk_alloc::text, s.int_cores::bigint, s.int_burst::bigint,
       s.int_gpus::bigint, NULL::bigint, NULL::bigint, NULL::bigint
FROM subscription s
WHERE (s.pk_show, s.pk_alloc) IN (SELECT * FROM unnest($2::text[], $3::text[]))
UNION ALL
SELECT 'job'::text, jr.pk_job::text, NULL::text, jr.int_cores::bigint, jr.int_max_cores::bigint,
       jr.int_gpus::bigint, jr.int_max_gpus::bigint, NULL::bigint, NULL::bigint
FROM job_resource jr
WHERE jr.pk_job = ANY($4::text[])
UNION ALL
SELECT 'folder'::text, fr.pk_folder::text, NULL::text, fr.int_cores::bigint, fr.int_max_cores::bigint,
       fr.int_gpus::bigint, fr.int_max_gpus::bigint, NULL::bigint, NULL::bigint
FROM folder_resource fr
WHERE fr.pk_folder = ANY($5::text[])
