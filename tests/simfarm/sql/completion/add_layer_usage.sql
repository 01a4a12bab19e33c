-- Adds ended frames to the layers' usage: core-seconds, GPU-seconds, clock seconds, counts.
WITH ended AS (
    SELECT r.pk_layer,
           count(*) FILTER (WHERE r.good) AS good,
           count(*) FILTER (WHERE NOT r.good) AS bad,
           coalesce(sum(r.seconds) FILTER (WHERE r.good), 0) AS good_seconds,
           coalesce(sum(r.seconds) FILTER (WHERE NOT r.good), 0) AS bad_seconds,
           coalesce(sum(r.seconds * r.cores / 100) FILTER (WHERE r.good), 0) AS good_cores,
           coalesce(sum(r.seconds * r.cores / 100) FILTER (WHERE NOT r.good), 0) AS bad_cores,
           coalesce(sum(r.seconds * r.gpus) FILTER (WHERE r.good), 0) AS good_gpus,
           coalesce(sum(r.seconds * r.gpus) FILTER (WHERE NOT r.good), 0) AS bad_gpus,
           min(r.seconds) FILTER (WHERE r.good)::int4 AS low,
           coalesce(max(r.seconds) FILTER (WHERE r.good), 0)::int4 AS high
    FROM unnest($1::text[], $2::bool[], $3::int8[], $4::int8[], $5::int8[])
        AS r (pk_layer, good, seconds, cores, gpus)
    GROUP BY r.pk_layer
), locked AS MATERIALIZED (
    SELECT e.*
    FROM layer_usage u
    JOIN ended e ON e.pk_layer = u.pk_layer
    ORDER BY u.pk_layer
    FOR NO KEY UPDATE OF u
)
UPDATE layer_usage u
SET int_core_time_success = u.int_core_time_success + l.good_cores,
    int_core_time_fail = u.int_core_time_fail + l.bad_cores,
    int_gpu_time_success = u.int_gpu_time_success + l.good_gpus,
    int_gpu_time_fail = u.int_gpu_time_fail + l.bad_gpus,
    int_frame_success_count = u.int_frame_success_count + l.good,
    int_frame_fail_count = u.int_frame_fail_count + l.bad,
    int_clock_time_success = u.int_clock_time_success + l.good_seconds,
    int_clock_time_fail = u.int_clock_time_fail + l.bad_seconds,
    int_clock_time_low = CASE WHEN l.low IS NULL THEN u.int_clock_time_low
                              WHEN u.int_clock_time_low = 0 THEN l.low
                              ELSE least(u.int_clock_time_low, l.low) END,
    int_clock_time_high = greatest(u.int_clock_time_high, l.high)
FROM locked l
WHERE u.pk_layer = l.pk_layer
