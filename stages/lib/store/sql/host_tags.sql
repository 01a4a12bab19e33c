-- host_tags: the tags of every host.
-- Apart from host_snapshot, because tags change rarely and are many. Joined there they would be read
-- once a host, and aggregated there once a host and host where the planner has no statistics.
SELECT t.pk_host, array_agg(t.str_tag) AS tags
FROM host_tag t
GROUP BY t.pk_host
