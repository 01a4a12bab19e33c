-- lock_stats: locks the rows that the triggers on frame will update, layer_stat before job_stat,
-- each in the order of its key.
-- $1 layers, $2 jobs.
SELECT count(*) FROM (
    SELECT * FROM (
        SELECT ls.pk_layer_stat FROM layer_stat ls
        WHERE ls.pk_layer = ANY($1::text[])
        ORDER BY ls.pk_layer_stat FOR NO KEY UPDATE
    ) layer_rows
    UNION ALL
    SELECT * FROM (
        SELECT js.pk_job_stat FROM job_stat js
        WHERE js.pk_job = ANY($2::text[])
        ORDER BY js.pk_job_stat FOR NO KEY UPDATE
    ) job_rows
) locked
