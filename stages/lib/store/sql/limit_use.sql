-- limit_use: what limits allow, and which procs of their layers count against them beside what a report
-- accounts for. Columns of newer schemas are read out of the row as JSON, where a missing one is NULL
-- (OPENCUE.md, Limits).
-- A limit by hosts has one row for each host that runs procs of its layers, any other limit one row.
-- layer_limit keeps the layers of old jobs. Where a limit has many of them, the layers that run are looked up
-- instead, so that the cost has a bound: the layers of the limit or those that run, whichever is cheap.
-- $1 limits; $2 procs that are not counted; $3 whether also limits that hold nothing back are counted.
WITH asked AS MATERIALIZED (
    SELECT a.*, a.counts AND (
               SELECT count(*) FROM (
                   SELECT 1 FROM layer_limit ll WHERE ll.pk_limit_record = a.pk_limit_record LIMIT 1001
               ) few
           ) > 1000 AS wide
    FROM (
        SELECT g.*, g.gates OR $3::boolean AS counts
        FROM (
            SELECT lr.pk_limit_record, lr.str_name, lr.int_max_value::bigint AS max_value, n.typed,
                   coalesce(n.newer ->> 'str_type', 'FRAME') = 'HOST' AS by_hosts,
                   coalesce((n.newer ->> 'int_soft_value')::bigint, -1) AS soft_value,
                   e.enforcement, r.reported, r.fresh, e.enforcement = 'ENFORCED' AND r.fresh AS gates,
                   greatest(r.reported, '0001-01-01 00:00+00') - interval '120 seconds' AS since
            FROM limit_record lr
            CROSS JOIN LATERAL (SELECT to_jsonb(lr) AS newer, to_jsonb(lr) ? 'str_type' AS typed OFFSET 0) n
            CROSS JOIN LATERAL (SELECT coalesce(n.newer ->> 'str_enforcement', 'ENFORCED') AS enforcement) e
            CROSS JOIN LATERAL (
                SELECT t.reported,
                       t.ttl = 0 OR t.reported IS NULL OR t.reported > clock_timestamp() - make_interval(secs => t.ttl) AS fresh
                FROM (
                    SELECT (n.newer ->> 'ts_reported')::timestamptz AS reported,
                           coalesce((n.newer ->> 'int_report_ttl')::bigint, 0) AS ttl
                ) t
            ) r
            WHERE lr.pk_limit_record = ANY($1::text[])
        ) g
    ) a
),
running AS MATERIALIZED (
    SELECT DISTINCT p.pk_layer FROM proc p WHERE (SELECT bool_or(a.wide) FROM asked a) AND p.pk_layer IS NOT NULL
),
bound AS MATERIALIZED (
    SELECT a.pk_limit_record, ll.pk_layer
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT DISTINCT ll.pk_layer FROM layer_limit ll WHERE ll.pk_limit_record = a.pk_limit_record OFFSET 0
    ) ll
    WHERE a.counts AND NOT a.wide
    UNION ALL
    SELECT a.pk_limit_record, r.pk_layer
    FROM running r
    CROSS JOIN LATERAL (
        SELECT DISTINCT ll.pk_limit_record FROM layer_limit ll WHERE ll.pk_layer = r.pk_layer OFFSET 0
    ) ll
    JOIN asked a ON a.pk_limit_record = ll.pk_limit_record AND a.wide
),
used AS MATERIALIZED (
    SELECT b.pk_limit_record, CASE WHEN a.by_hosts THEN p.pk_host END AS pk_host,
           count(*) FILTER (WHERE a.reported IS NULL OR p.ts_dispatched > a.since) AS pending
    FROM bound b
    JOIN asked a ON a.pk_limit_record = b.pk_limit_record
    CROSS JOIN LATERAL (
        SELECT p.pk_host, p.ts_dispatched
        FROM proc p
        -- A proc between two frames counts since limits have types; before, running frames were counted.
        WHERE p.pk_layer = b.pk_layer AND (a.typed OR p.pk_frame IS NOT NULL)
          AND NOT EXISTS (SELECT 1 FROM unnest($2::text[]) AS own(pk_proc) WHERE own.pk_proc = p.pk_proc)
        OFFSET 0
    ) p
    GROUP BY 1, 2
)
SELECT a.pk_limit_record, a.str_name, a.max_value, a.typed, a.by_hosts, a.soft_value, a.enforcement, a.fresh, a.gates,
       u.pk_host, h.str_name AS host_name, coalesce(u.pending, 0)::bigint AS pending
FROM asked a
LEFT JOIN used u ON u.pk_limit_record = a.pk_limit_record
LEFT JOIN host h ON h.pk_host = u.pk_host
ORDER BY a.pk_limit_record
