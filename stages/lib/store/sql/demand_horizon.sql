-- demand_horizon: the oldest transaction that the snapshot sees running, and the next one that it does not know. Rows
-- that a later snapshot adds are by neither older transactions nor older subtransactions. Also which server this is: a
-- server that was restored or that took over has other transactions, and was started at another time.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
       pg_postmaster_start_time()::text AS server
