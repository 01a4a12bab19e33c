-- replicas: the schedulers that are connected to this database, by the name of their sessions.
-- $1 what those names begin with.
SELECT substr(application_name, length($1) + 1) AS replica, count(*) AS connections
FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, $1)
GROUP BY application_name
ORDER BY application_name
