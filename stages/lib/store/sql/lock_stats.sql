-- lock_stats: locks the rows that the triggers on frame will update, layer_stat before job_stat, each in the
-- order of its key; then the jobs, which stay in their folder and department until the end of the transaction.
-- A job that somebody changes at this moment is passed over. Returns the jobs that are
-- locked, and the numbers of the other rows; without these numbers the planner would leave the locks out.
-- $1 layers, $2 jobs.
SELECT count(*) AS locked, NULL::text AS pk_job FROM (
    SELECT ls.pk_layer_stat FROM layer_stat ls
    WHERE ls.pk_layer = ANY($1::text[])
    ORDER BY ls.pk_layer_stat FOR NO KEY UPDATE
) layer_rows
UNION ALL
SELECT count(*), NULL FROM (
    SELECT js.pk_job_stat FROM job_stat js
    WHERE js.pk_job = ANY($2::text[])
    ORDER BY js.pk_job_stat FOR NO KEY UPDATE
) job_stats
UNION ALL
SELECT 1, jobs.pk_job::text FROM (
    SELECT j.pk_job FROM job j
    WHERE j.pk_job = ANY($2::text[])
    ORDER BY j.pk_job FOR SHARE SKIP LOCKED
) jobs
