-- replayed_shows: frames and cores of each show, the one with the most cores first.
SELECT sh.str_name AS show,
       coalesce((SELECT sum(ls.int_total_count) FROM layer_stat ls JOIN job j ON j.pk_job = ls.pk_job
                 WHERE j.pk_show = sh.pk_show), 0)::bigint AS frames,
       held.booked, held.cores, subscribed.size, subscribed.burst
FROM show sh
CROSS JOIN LATERAL (
    SELECT count(*) AS booked, coalesce(sum(p.int_cores_reserved), 0)::float8 / 100 AS cores
    FROM proc p WHERE p.pk_show = sh.pk_show
) held
CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.int_size), 0)::float8 / 100 AS size, coalesce(sum(s.int_burst), 0)::float8 / 100 AS burst
    FROM subscription s WHERE s.pk_show = sh.pk_show
) subscribed
ORDER BY held.cores DESC, sh.str_name
