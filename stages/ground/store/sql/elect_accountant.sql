-- elect_accountant: tries to become the one accountant of this database. The lock belongs to the
-- session, so it is free again in the moment the session ends, however it ends.
-- $1 the key of the office.
SELECT pg_try_advisory_lock($1::bigint) AS elected
