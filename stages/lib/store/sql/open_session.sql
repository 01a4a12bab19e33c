-- open_session: makes the settings of a session, and says whether it takes no writes. A database whose encoding is
-- SQL_ASCII keeps any bytes; it is asked to send them as they are, else one text that is no UTF-8 fails its statement.
-- $1 names, $2 values, of one length.
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
FROM (
    SELECT count(set_config(s.name, s.value, false))
    FROM (
        SELECT * FROM unnest($1::text[], $2::text[])
        UNION ALL
        SELECT 'client_encoding', 'SQL_ASCII' WHERE current_setting('server_encoding') = 'SQL_ASCII'
    ) AS s(name, value)
) made
