-- why_subject: the job, layer or frame that a text names: an id, or `job`, `job/layer`, `job/frame`. Names
-- may have slashes themselves, so the text is split at each of its slashes.
-- Of several that match, the one of a pending job counts, then the one of the newest job.
-- $1 the text; $2 what is before a slash of it and $3 what is behind that slash, of one length.
SELECT found.pk_job, found.pk_layer, found.pk_frame, found.frame_name, found.frame_state, found.frame_host,
       found.depend_count, found.ahead_in_layer
FROM (
    SELECT j.pk_job::text AS pk_job, NULL::text AS pk_layer, NULL::text AS pk_frame, NULL::text AS frame_name,
           NULL::text AS frame_state, NULL::text AS frame_host,
           NULL::bigint AS depend_count, NULL::bigint AS ahead_in_layer
    FROM job j
    WHERE j.pk_job = $1 OR j.str_name = $1
    UNION ALL
    SELECT l.pk_job, l.pk_layer, NULL, NULL, NULL, NULL, NULL, NULL
    FROM layer l
    WHERE l.pk_layer = $1
    UNION ALL
    SELECT l.pk_job, l.pk_layer, NULL, NULL, NULL, NULL, NULL, NULL
    FROM unnest($2::text[], $3::text[]) AS split(job, rest)
    JOIN job j ON j.str_name = split.job
    JOIN layer l ON l.pk_job = j.pk_job AND l.str_name = split.rest
    UNION ALL
    SELECT f.pk_job, f.pk_layer, f.pk_frame, f.str_name, f.str_state, f.str_host, f.int_depend_count,
           (SELECT count(*) FROM frame b
            WHERE b.pk_layer = f.pk_layer AND b.str_state || '' = 'WAITING'
              AND (b.int_dispatch_order, b.int_layer_order, b.pk_frame)
                < (f.int_dispatch_order, f.int_layer_order, f.pk_frame))
    FROM frame f
    WHERE f.pk_frame = $1
       OR f.pk_frame IN (
           SELECT named.pk_frame
           FROM unnest($2::text[], $3::text[]) AS split(job, rest)
           JOIN job j ON j.str_name = split.job
           JOIN frame named ON named.pk_job = j.pk_job AND named.str_name = split.rest
       )
) found
JOIN job j ON j.pk_job = found.pk_job
ORDER BY j.str_state = 'PENDING' DESC, j.ts_started DESC, j.pk_job
LIMIT 1
