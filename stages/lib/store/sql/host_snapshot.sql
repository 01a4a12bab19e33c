-- host_snapshot: every host that may be booked, without its tags: open, up, heard of lately, lent to no
-- job by its user, in an allocation of the facility. Or those of which a row is newer than a snapshot, whether they may be
-- booked or not. Reads the idle resources by the ledger, and the free memory of the last report. What procs
-- hold is not asked here: a farm has many times as many of them, and a booking asks for its hosts alone,
-- under their locks. There is always a row, of which pk_host is NULL if no host is found.
-- $1 facility name, or NULL for all of them; $2 seconds without a report until a host is stale, or NULL;
-- $3 the oldest transaction that the snapshot saw running, or NULL for all hosts that may be booked.
-- A row that stays for two thousand million transactions has an age below zero until it has stayed for twice as many.
WITH seen AS MATERIALIZED (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
           pg_postmaster_start_time()::text AS server,
           age($3::text::xid8::xid) AS age
)
SELECT seen.oldest, seen.next, seen.server, o.*
FROM seen
LEFT JOIN LATERAL (
    SELECT h.pk_host, h.str_name, a.pk_facility, h.pk_alloc, h.int_thread_mode, hs.str_os,
           h.int_cores, h.int_mem, h.int_gpus, h.int_gpu_mem,
           h.int_cores_idle, h.int_mem_idle, h.int_gpus_idle, h.int_gpu_mem_idle,
           hs.int_mem_free AS mem_free, hs.int_gpu_mem_free AS gpu_mem_free,
           CASE WHEN hs.ts_ping BETWEEN '0001-01-01 00:00+00' AND '9999-12-31 00:00+00'
                THEN (date_part('epoch', hs.ts_ping) * 1000000)::bigint ELSE 0 END AS reported_us,
           h.str_lock_state = 'OPEN' AND hs.str_state = 'UP'
               -- A set that is read once. As a join the planner would look for each host in a table that is nearly
               -- always empty and therefore has no statistics.
               AND h.pk_host NOT IN (SELECT hl.pk_host FROM host_local hl)
               AND ($1::text IS NULL OR fa.str_name = $1)
               AND ($2::bigint IS NULL OR hs.ts_ping > current_timestamp - make_interval(secs => $2::double precision))
               AS is_open
    FROM host h
    JOIN host_stat hs ON hs.pk_host = h.pk_host
    JOIN alloc a ON a.pk_alloc = h.pk_alloc
    JOIN facility fa ON fa.pk_facility = a.pk_facility
    WHERE $3::text IS NULL OR age(h.xmin) BETWEEN 0 AND seen.age OR age(hs.xmin) BETWEEN 0 AND seen.age
) o ON $3::text IS NOT NULL OR o.is_open
