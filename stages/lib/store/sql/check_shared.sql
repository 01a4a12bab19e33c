-- check_shared: the allocations for which both shows of this scheduler and shows of Cuebot have a subscription
-- with room for a core.
SELECT a.str_name, array_agg(sh.str_name::text ORDER BY sh.str_name) FILTER (WHERE sh.b_scheduler_managed) AS ours,
       array_agg(sh.str_name::text ORDER BY sh.str_name) FILTER (WHERE NOT sh.b_scheduler_managed) AS theirs
FROM alloc a
JOIN subscription s ON s.pk_alloc = a.pk_alloc AND s.int_burst >= 100
JOIN show sh ON sh.pk_show = s.pk_show AND sh.b_active
GROUP BY a.pk_alloc, a.str_name
HAVING bool_or(sh.b_scheduler_managed) AND bool_or(NOT sh.b_scheduler_managed)
ORDER BY a.str_name
