-- recount: sets counters to the sum of their procs where they differ. Every row is locked already
-- (lock_counters), and this is a statement of its own: a transaction that changes procs and their
-- counter holds the row from then to its commit, so the snapshot taken now sees both changes or
-- neither, and what is written is exact. One that waits for the row adds to it or subtracts later.
-- Local procs count for their layer only. Returns what was corrected.
-- Triggers refuse a counter that grows above an unchanged cap, which it must where an operator
-- lowered the cap below what runs. There the cap is raised to the sum with the counter, and the
-- row says so, with the caps to be put back (restore_caps) before anybody else can see or change it.
-- Sums are numeric and cut to the range of their column: no proc ends the recount of all others.
-- $1 shows and $2 allocations (pairwise), $3 layers, $4 jobs, $5 folders, $6 departments and
-- $7 their shows (pairwise).
WITH held AS MATERIALIZED (
    -- One pass over the procs of the shows in question, for bookings wait meanwhile.
    SELECT p.pk_show, h.pk_alloc, p.pk_job, sum(p.int_cores_reserved) AS cores,
           sum(p.int_gpus_reserved::numeric) AS gpus
    FROM proc p
    JOIN host h ON h.pk_host = p.pk_host
    WHERE NOT p.b_local
      AND p.pk_show IN (SELECT unnest($1::text[]) UNION SELECT unnest($7::text[])
                        UNION SELECT f.pk_show FROM folder f WHERE f.pk_folder = ANY($5::text[]))
    GROUP BY p.pk_show, h.pk_alloc, p.pk_job
),
owned AS MATERIALIZED (
    SELECT j.pk_folder, j.pk_dept, j.pk_show, sum(b.cores) AS cores, sum(b.gpus) AS gpus
    FROM (SELECT pk_job, sum(cores) AS cores, sum(gpus) AS gpus FROM held GROUP BY pk_job) b
    JOIN job j ON j.pk_job = b.pk_job
    GROUP BY j.pk_folder, j.pk_dept, j.pk_show
),
subscriptions AS (
    UPDATE subscription s
    SET int_cores = w.cores, int_gpus = w.gpus,
        int_burst = CASE WHEN w.cores > s.int_cores THEN greatest(s.int_burst, w.cores) ELSE s.int_burst END
    FROM (
        SELECT k.pk_subscription, k.int_burst,
               greatest(least(coalesce(sum(b.cores), 0), 2147483647), -2147483648)::int AS cores,
               greatest(least(coalesce(sum(b.gpus), 0), 2147483647), -2147483648)::int AS gpus
        FROM subscription k
        LEFT JOIN held b ON b.pk_show = k.pk_show AND b.pk_alloc = k.pk_alloc
        WHERE (k.pk_show, k.pk_alloc) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        GROUP BY k.pk_subscription
    ) w
    WHERE s.pk_subscription = w.pk_subscription AND (s.int_cores <> w.cores OR s.int_gpus <> w.gpus)
    RETURNING s.pk_subscription, w.int_burst AS cap, s.int_burst <> w.int_burst AS raised
),
layers AS (
    UPDATE layer_resource r SET int_cores = w.cores, int_gpus = w.gpus
    FROM unnest($3::text[]) AS k(pk_layer)
    CROSS JOIN LATERAL (
        SELECT greatest(least(coalesce(sum(p.int_cores_reserved), 0), 9223372036854775807),
                        -9223372036854775808)::bigint AS cores,
               greatest(least(coalesce(sum(p.int_gpus_reserved), 0), 2147483647), -2147483648)::int AS gpus
        FROM proc p
        WHERE p.pk_layer = k.pk_layer
    ) w
    WHERE r.pk_layer = k.pk_layer AND (r.int_cores <> w.cores OR r.int_gpus <> w.gpus)
    RETURNING r.pk_layer_resource
),
jobs AS (
    UPDATE job_resource r
    SET int_cores = w.cores, int_gpus = w.gpus,
        int_max_cores = CASE WHEN w.cores > r.int_cores OR w.gpus > r.int_gpus
                             THEN least(greatest(r.int_max_cores, w.cores), 2147483647)::int
                             ELSE r.int_max_cores END,
        int_max_gpus = CASE WHEN w.cores > r.int_cores OR w.gpus > r.int_gpus
                            THEN greatest(r.int_max_gpus, w.gpus) ELSE r.int_max_gpus END
    FROM job_resource k
    CROSS JOIN LATERAL (
        SELECT greatest(least(coalesce(sum(p.int_cores_reserved), 0), 9223372036854775807),
                        -9223372036854775808)::bigint AS cores,
               greatest(least(coalesce(sum(p.int_gpus_reserved), 0), 2147483647), -2147483648)::int AS gpus
        FROM proc p
        WHERE p.pk_job = k.pk_job AND NOT p.b_local
    ) w
    WHERE k.pk_job = ANY($4::text[]) AND r.pk_job_resource = k.pk_job_resource
      AND (r.int_cores <> w.cores OR r.int_gpus <> w.gpus)
    RETURNING r.pk_job_resource, k.int_max_cores AS cap, k.int_max_gpus AS gpu_cap,
              r.int_max_cores <> k.int_max_cores OR r.int_max_gpus <> k.int_max_gpus AS raised
),
folders AS (
    UPDATE folder_resource r SET int_cores = w.cores, int_gpus = w.gpus
    FROM (
        SELECT k.pk_folder,
               greatest(least(coalesce(sum(b.cores), 0), 2147483647), -2147483648)::int AS cores,
               greatest(least(coalesce(sum(b.gpus), 0), 2147483647), -2147483648)::int AS gpus
        FROM unnest($5::text[]) AS k(pk_folder)
        LEFT JOIN owned b ON b.pk_folder = k.pk_folder
        GROUP BY k.pk_folder
    ) w
    WHERE r.pk_folder = w.pk_folder AND (r.int_cores <> w.cores OR r.int_gpus <> w.gpus)
    RETURNING r.pk_folder_resource
),
points AS (
    UPDATE point r SET int_cores = w.cores, int_gpus = w.gpus
    FROM (
        SELECT k.pk_dept, k.pk_show,
               greatest(least(coalesce(sum(b.cores), 0), 2147483647), -2147483648)::int AS cores,
               greatest(least(coalesce(sum(b.gpus), 0), 2147483647), -2147483648)::int AS gpus
        FROM unnest($6::text[], $7::text[]) AS k(pk_dept, pk_show)
        LEFT JOIN owned b ON b.pk_dept = k.pk_dept AND b.pk_show = k.pk_show
        GROUP BY k.pk_dept, k.pk_show
    ) w
    WHERE r.pk_dept = w.pk_dept AND r.pk_show = w.pk_show AND (r.int_cores <> w.cores OR r.int_gpus <> w.gpus)
    RETURNING r.pk_point
)
SELECT 'subscription'::text AS kind, pk_subscription::text AS id, raised, cap::bigint AS max_cores, 0::bigint AS max_gpus
FROM subscriptions
UNION ALL
SELECT 'layer_resource', pk_layer_resource::text, false, 0, 0 FROM layers
UNION ALL
SELECT 'job_resource', pk_job_resource::text, raised, cap::bigint, gpu_cap::bigint FROM jobs
UNION ALL
SELECT 'folder_resource', pk_folder_resource::text, false, 0, 0 FROM folders
UNION ALL
SELECT 'point', pk_point::text, false, 0, 0 FROM points
