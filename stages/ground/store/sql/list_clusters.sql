-- list_clusters: every (facility, show, kind of tag, tag) that can make a cluster.
-- $1 facility name, or NULL for all of them.
-- An allocation's tag counts once some host carries it; the other kinds count on hosts of an
-- allocation that the show subscribes to.
SELECT DISTINCT a.pk_facility, fa.str_name AS facility_name, sh.pk_show, sh.str_name AS show_name,
       'ALLOC' AS str_tag_type, a.str_tag
FROM alloc a
JOIN facility fa ON fa.pk_facility = a.pk_facility
JOIN subscription s ON s.pk_alloc = a.pk_alloc
JOIN show sh ON sh.pk_show = s.pk_show
WHERE sh.b_active AND sh.b_scheduler_managed
  AND ($1::text IS NULL OR fa.str_name = $1)
  AND a.str_tag IN (SELECT t.str_tag FROM host_tag t WHERE t.str_tag_type = 'ALLOC')
UNION
SELECT DISTINCT a.pk_facility, fa.str_name, sh.pk_show, sh.str_name, t.str_tag_type, t.str_tag
FROM (
    SELECT DISTINCT t.str_tag_type, t.str_tag, h.pk_alloc
    FROM host_tag t
    JOIN host h ON h.pk_host = t.pk_host
    WHERE t.str_tag_type IN ('MANUAL', 'HOSTNAME', 'HARDWARE')
) t
JOIN alloc a ON a.pk_alloc = t.pk_alloc
JOIN facility fa ON fa.pk_facility = a.pk_facility
JOIN subscription s ON s.pk_alloc = a.pk_alloc
JOIN show sh ON sh.pk_show = s.pk_show
WHERE sh.b_active AND sh.b_scheduler_managed
  AND ($1::text IS NULL OR fa.str_name = $1)
