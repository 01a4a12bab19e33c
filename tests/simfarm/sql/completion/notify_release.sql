-- Notifies listeners of releases, one message a proc; cores are whole and, like GPUs, negative.
SELECT pg_notify('acct_release', json_build_object(
    'show', r.pk_show, 'alloc', h.pk_alloc, 'folder', j.pk_folder, 'job', r.pk_job, 'layer', r.pk_layer,
    'dept', j.pk_dept, 'cores', -(r.cores / 100), 'gpus', -r.gpus)::text)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::int8[])
    AS r (pk_show, pk_host, pk_job, pk_layer, cores, gpus)
JOIN host h ON h.pk_host = r.pk_host
JOIN job j ON j.pk_job = r.pk_job
