-- lock_targets: locks the hosts of a plan that are free, open and up, and reads what is idle; and reads
-- what the caps say at this moment, without a lock on them.
-- A host that somebody else holds is passed over, not waited for. One that its user lent to a job is
-- left to that job. Beside its ledger is what its procs hold, and what RQD reported as free before some of
-- them were booked.
-- $1 hosts, $2 shows and $3 allocations (pairwise), $4 jobs, $5 folders.
SELECT * FROM (
    SELECT 'host'::text AS kind, h.pk_host::text AS id, h.pk_alloc::text AS other_id,
           h.int_cores_idle::bigint AS cores, h.int_cores::bigint AS max_cores, h.int_gpus_idle::bigint AS gpus, h.int_gpus::bigint AS max_gpus,
           h.int_mem_idle::bigint AS mem, h.int_gpu_mem_idle::bigint AS gpu_mem,
           h.int_mem::bigint AS max_mem, h.int_gpu_mem::bigint AS max_gpu_mem,
           hs.int_mem_free::bigint AS mem_free, hs.int_gpu_mem_free::bigint AS gpu_mem_free,
           held.cores AS cores_held, held.mem AS mem_held, held.gpus AS gpus_held, held.gpu_mem AS gpu_mem_held,
           held.mem_booked, held.gpu_mem_booked
    FROM host h
    JOIN host_stat hs ON hs.pk_host = h.pk_host
    -- The bounds keep a sum from overflowing, whatever the rows hold.
    CROSS JOIN LATERAL (
        SELECT least(greatest(sum(p.int_cores_reserved), 0), 9223372036854775807)::bigint AS cores,
               least(greatest(sum(p.int_mem_reserved), 0), 9223372036854775807)::bigint AS mem,
               greatest(sum(p.int_gpus_reserved), 0) AS gpus,
               least(greatest(sum(p.int_gpu_mem_reserved), 0), 9223372036854775807)::bigint AS gpu_mem,
               least(greatest(sum(p.int_mem_reserved) FILTER (WHERE p.ts_booked > hs.ts_ping), 0),
                     9223372036854775807)::bigint AS mem_booked,
               least(greatest(sum(p.int_gpu_mem_reserved) FILTER (WHERE p.ts_booked > hs.ts_ping), 0),
                     9223372036854775807)::bigint AS gpu_mem_booked
        FROM proc p
        WHERE p.pk_host = h.pk_host
    ) held
    WHERE h.pk_host = ANY($1::text[]) AND h.str_lock_state = 'OPEN' AND hs.str_state = 'UP'
      AND NOT EXISTS (SELECT 1 FROM host_local hl WHERE hl.pk_host = h.pk_host)
    ORDER BY h.pk_host
    FOR NO KEY UPDATE OF h SKIP LOCKED
) hosts
UNION ALL
SELECT 'subscription'::text, s.pk_show::text, s.pk_alloc::text, s.int_cores::bigint, s.int_burst::bigint,
       s.int_gpus::bigint, NULL::bigint, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM subscription s
WHERE (s.pk_show, s.pk_alloc) IN (SELECT * FROM unnest($2::text[], $3::text[]))
UNION ALL
SELECT 'job'::text, jr.pk_job::text, NULL::text, jr.int_cores::bigint, jr.int_max_cores::bigint,
       jr.int_gpus::bigint, jr.int_max_gpus::bigint, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM job_resource jr
WHERE jr.pk_job = ANY($4::text[])
UNION ALL
SELECT 'folder'::text, fr.pk_folder::text, NULL::text, fr.int_cores::bigint, fr.int_max_cores::bigint,
       fr.int_gpus::bigint, fr.int_max_gpus::bigint, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM folder_resource fr
WHERE fr.pk_folder = ANY($5::text[])
