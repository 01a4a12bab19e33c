-- carried_tags: the tags that hosts of each allocation carry, whatever the state of the hosts.
SELECT h.pk_alloc, array_agg(DISTINCT t.str_tag) AS tags
FROM host_tag t
JOIN host h ON h.pk_host = t.pk_host
GROUP BY h.pk_alloc
