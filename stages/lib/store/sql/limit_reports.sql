-- limit_reports: usage of limits that licence reports account for. Only where limits have types (V49).
-- $1 limits.
SELECT lr.pk_limit_record, coalesce(lu.int_settled_usage, 0)::bigint AS settled_frames,
       coalesce(lu.int_settled_hosts, 0)::bigint AS settled_hosts,
       ARRAY(SELECT lh.str_host_name FROM limit_host lh WHERE lh.pk_limit_record = lr.pk_limit_record) AS holders
FROM limit_record lr
LEFT JOIN limit_usage lu ON lu.pk_limit_record = lr.pk_limit_record
WHERE lr.pk_limit_record = ANY($1::text[])
