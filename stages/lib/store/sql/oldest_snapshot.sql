-- oldest_snapshot: who keeps dead versions of rows from being removed in this database for the longest time: a session
-- by its transaction or snapshot, a prepared transaction, or a replication slot. A vacuum waits for none of the
-- others' vacuums. Times of sessions are there for their own role and for members of pg_monitor.
WITH holders AS (
    SELECT 'session' AS kind, a.pid::text AS name,
           concat_ws(', ', nullif(a.application_name, ''), 'role ' || a.usename, a.state) AS detail,
           CASE WHEN age(a.backend_xid) > age(a.backend_xmin) THEN a.backend_xid
                ELSE coalesce(a.backend_xmin, a.backend_xid) END AS oldest,
           a.xact_start AS since
    FROM pg_stat_activity a
    WHERE (a.datname = current_database() OR a.datname IS NULL) AND a.pid <> pg_backend_pid()
      AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    UNION ALL
    SELECT 'prepared transaction', p.gid, 'role ' || p.owner, p.transaction, p.prepared
    FROM pg_prepared_xacts p
    WHERE p.database = current_database()
    UNION ALL
    SELECT 'replication slot', s.slot_name, CASE WHEN s.active THEN 'in use' ELSE 'not in use' END, s.xmin, NULL
    FROM pg_replication_slots s
)
SELECT kind, name, detail, oldest::text AS oldest, age(oldest)::bigint AS behind,
       extract(epoch FROM clock_timestamp() - since)::bigint AS seconds
FROM holders
WHERE oldest IS NOT NULL
ORDER BY age(oldest) DESC, since, kind, name
LIMIT 1
