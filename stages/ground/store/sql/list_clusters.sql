-- list_clusters: every (facility, show, kind of tag, tag) that can make a cluster, as one row for each
-- allocation and kind: its tags, and the shows that they serve. A tag for each host and each show
-- would be the product of the two.
-- $1 facility name, or NULL for all of them.
-- An allocation's tag counts once some host carries it; the other kinds count on hosts of an
-- allocation that the show subscribes to.
WITH served AS (
    SELECT a.pk_alloc, a.str_tag, a.pk_facility, fa.str_name AS facility_name,
           array_agg(sh.pk_show ORDER BY sh.pk_show) AS shows,
           array_agg(sh.str_name ORDER BY sh.pk_show) AS show_names
    FROM alloc a
    JOIN facility fa ON fa.pk_facility = a.pk_facility
    JOIN subscription s ON s.pk_alloc = a.pk_alloc
    JOIN show sh ON sh.pk_show = s.pk_show
    WHERE sh.b_active AND sh.b_scheduler_managed
      AND ($1::text IS NULL OR fa.str_name = $1)
    GROUP BY a.pk_alloc, a.str_tag, a.pk_facility, fa.str_name
), carried AS (
    SELECT h.pk_alloc, t.str_tag_type, array_agg(DISTINCT t.str_tag) AS tags
    FROM host_tag t
    JOIN host h ON h.pk_host = t.pk_host
    WHERE t.str_tag_type IN ('MANUAL', 'HOSTNAME', 'HARDWARE') AND t.str_tag IS NOT NULL
    GROUP BY h.pk_alloc, t.str_tag_type
)
SELECT v.pk_facility, v.facility_name, v.shows, v.show_names,
       'ALLOC' AS str_tag_type, ARRAY[v.str_tag] AS tags
FROM served v
WHERE v.str_tag IN (SELECT t.str_tag FROM host_tag t WHERE t.str_tag_type = 'ALLOC')
UNION ALL
SELECT v.pk_facility, v.facility_name, v.shows, v.show_names, c.str_tag_type, c.tags
FROM served v
JOIN carried c ON c.pk_alloc = v.pk_alloc
