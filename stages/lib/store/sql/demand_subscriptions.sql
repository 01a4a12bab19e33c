-- demand_subscriptions: every subscription to an allocation of the facility, and the place of the snapshot: the oldest
-- transaction that it sees running, and the next one that it does not know. Rows that a later snapshot adds are by
-- neither older transactions nor older subtransactions. Also which server this is: a server that was restored or that
-- took over has other transactions, and was started at another time. There is always a row, of which pk_show is NULL if
-- there is no subscription.
-- $1 facility name, or NULL for all of them.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
       pg_postmaster_start_time()::text AS server, found.*
FROM (VALUES (true)) AS always
LEFT JOIN (
    SELECT s.pk_show, sh.str_name AS show_name, a.pk_facility, fa.str_name AS facility_name, s.pk_alloc,
           s.int_size::bigint, s.int_burst::bigint, s.int_cores::bigint
    FROM subscription s
    JOIN alloc a ON a.pk_alloc = s.pk_alloc
    JOIN facility fa ON fa.pk_facility = a.pk_facility
    JOIN show sh ON sh.pk_show = s.pk_show
    WHERE $1::text IS NULL OR fa.str_name = $1
) AS found ON true
