-- restore_caps: puts caps back that recount had to raise, in the same transaction and as they were
-- when their rows were locked. An operator who edits one meanwhile waits for the row, so neither
-- edit is lost.
-- $1 subscriptions and $2 their bursts (pairwise); $3 rows of job_resource, $4 their caps of cores
-- and $5 of GPUs (pairwise).
WITH subscriptions AS (
    UPDATE subscription s SET int_burst = w.cap
    FROM unnest($1::text[], $2::bigint[]) AS w(pk_subscription, cap)
    WHERE s.pk_subscription = w.pk_subscription
    RETURNING s.pk_subscription
),
jobs AS (
    UPDATE job_resource r SET int_max_cores = w.cap::int, int_max_gpus = w.gpu_cap::int
    FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS w(pk_job_resource, cap, gpu_cap)
    WHERE r.pk_job_resource = w.pk_job_resource
    RETURNING r.pk_job_resource
)
SELECT (SELECT count(*) FROM subscriptions) + (SELECT count(*) FROM jobs) AS restored
