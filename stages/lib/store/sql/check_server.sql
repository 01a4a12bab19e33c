-- check_server: which server this is, as whom we are there, and how many connections there may be.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_number,
       current_database()::text AS database_name,
       current_user::text AS role_name,
       quote_ident(current_user) AS role_quoted,
       pg_is_in_recovery() AS in_recovery,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
       current_setting('max_connections')::bigint AS max_connections,
       -- Kept for superusers; newer servers also keep some for members of a role.
       current_setting('superuser_reserved_connections')::bigint
           + coalesce(current_setting('reserved_connections', true), '0')::bigint AS kept_connections,
       (SELECT coalesce(sum(s.numbackends), 0)::bigint FROM pg_stat_database s) AS open_connections,
       (SELECT nullif(r.rolconnlimit, -1)::bigint FROM pg_roles r WHERE r.rolname = current_user) AS role_limit,
       (SELECT nullif(d.datconnlimit, -1)::bigint FROM pg_database d WHERE d.datname = current_database()) AS database_limit
