-- layer_hosts: numbers of procs of some layers, by host. Each layer is looked up by the index of proc, for without
-- statistics the planner would read all procs.
-- $1 layers.
SELECT want.pk_layer, p.pk_host, p.procs
FROM (SELECT DISTINCT unnest($1::text[]) AS pk_layer) want
CROSS JOIN LATERAL (
    SELECT p.pk_host, count(*) AS procs FROM proc p WHERE p.pk_layer = want.pk_layer GROUP BY p.pk_host
    OFFSET 0
) p
