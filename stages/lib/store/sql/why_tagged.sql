-- why_tagged: how many hosts have one of some tags, and what keeps them from being booked, each counted
-- under the first thing that does.
-- $1 the tags; $2 the facility of the job; $3 seconds without a report until a host is stale, or NULL.
SELECT count(*) AS hosts,
       count(*) FILTER (WHERE found.what = 'elsewhere') AS elsewhere,
       count(*) FILTER (WHERE found.what = 'nimby') AS nimby,
       count(*) FILTER (WHERE found.what = 'locked') AS locked,
       count(*) FILTER (WHERE found.what = 'lent') AS lent,
       count(*) FILTER (WHERE found.what = 'down') AS down,
       count(*) FILTER (WHERE found.what = 'silent') AS silent
FROM (
    SELECT CASE
               WHEN a.pk_facility <> $2 THEN 'elsewhere'
               WHEN h.str_lock_state = 'NIMBY_LOCKED' THEN 'nimby'
               WHEN h.str_lock_state <> 'OPEN' THEN 'locked'
               WHEN EXISTS (SELECT 1 FROM host_local hl WHERE hl.pk_host = h.pk_host) THEN 'lent'
               WHEN hs.str_state <> 'UP' THEN 'down'
               WHEN hs.ts_ping <= current_timestamp - make_interval(secs => $3::bigint::double precision) THEN 'silent'
           END AS what
    FROM host h
    JOIN host_stat hs ON hs.pk_host = h.pk_host
    JOIN alloc a ON a.pk_alloc = h.pk_alloc
    WHERE EXISTS (
        SELECT 1
        FROM host_tag t
        WHERE t.pk_host = h.pk_host AND trim(t.str_tag) = ANY($1::text[])
    )
) found
