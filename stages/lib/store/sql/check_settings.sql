-- check_settings: settings of the server as they are in a session of the scheduler. Those that this
-- server does not know are left out.
-- $1 names.
SELECT s.name, s.setting FROM pg_settings s WHERE s.name = ANY($1::text[])
