-- check_unreported: hosts that send reports in which none of some of their procs is, with the numbers of these procs
-- and of such hosts, and the cores that they hold in all. The hosts where they hold the most come first.
-- A proc without a frame is in no report, whether its host sends any or not. Cuebot clears the frame of every proc a
-- moment before it deletes the proc, so a proc counts only when its last report is old.
-- $1 seconds without a report; $2 hosts, at most.
WITH old AS MATERIALIZED (
    SELECT p.pk_host, p.pk_frame, p.int_cores_reserved
    FROM proc p
    WHERE p.ts_ping < current_timestamp - make_interval(secs => $1)
), of_host AS (
    SELECT o.pk_host, count(*) AS procs, sum(o.int_cores_reserved) AS cores
    FROM old o
    CROSS JOIN LATERAL (SELECT hs.ts_ping FROM host_stat hs WHERE hs.pk_host = o.pk_host OFFSET 0) hs
    WHERE o.pk_frame IS NULL OR hs.ts_ping >= current_timestamp - make_interval(secs => $1)
    GROUP BY o.pk_host
)
SELECT h.str_name, count(*) OVER () AS hosts, (sum(o.procs) OVER ())::bigint AS procs,
       least(greatest(sum(o.cores) OVER (), 0), 9223372036854775807)::bigint AS cores
FROM of_host o
CROSS JOIN LATERAL (SELECT h.str_name FROM host h WHERE h.pk_host = o.pk_host OFFSET 0) h
ORDER BY o.cores DESC, h.str_name
LIMIT $2::bigint
