-- check_accountant: whether some scheduler keeps the accounts of this database at the moment.
-- $1 and $2 the two halves of the key of its office.
SELECT EXISTS (
    SELECT 1 FROM pg_locks l
    JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.locktype = 'advisory' AND l.classid::bigint = $1::bigint AND l.objid::bigint = $2::bigint
      AND l.objsubid = 1 AND l.granted
) AS kept
