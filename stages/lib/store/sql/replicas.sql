-- replicas: who else works on this database: the schedulers that are connected, by the name of their sessions,
-- and the session that leads OpenCue's planner Maestro, by the lock that it holds for as long as it leads. Of
-- a session the name and the number are there for every role; the address is there for its own role only, and
-- for members of pg_monitor.
-- $1 the beginning of the schedulers' names; $2 and $3 the halves of the key of that lock.
SELECT substr(a.application_name, length($1) + 1) AS replica, count(*) AS connections,
       NULL::int AS leader, NULL::text AS address
FROM pg_stat_activity a
WHERE a.datname = current_database() AND starts_with(a.application_name, $1)
GROUP BY a.application_name
UNION ALL
SELECT NULL, NULL, l.pid, host(a.client_addr)
FROM pg_locks l
JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid::bigint = $2::bigint AND l.objid::bigint = $3::bigint
  AND l.objsubid = 1 AND l.granted
ORDER BY replica
