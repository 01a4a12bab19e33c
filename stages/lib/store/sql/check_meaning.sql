-- check_meaning: rows of managed shows that mean one thing to Cuebot and another to this scheduler, each kind
-- with some names: pending jobs that are not to be booked by themselves, shows whose booking is switched off,
-- layers without tags, tags with tabs or line breaks, tags that Cuebot reads as regular expressions, and
-- tags that only Cuebot finds on hosts because it does not look at case. Operating systems that jobs ask for and no host has, and those that hosts
-- have, come with them.
-- $1 names of each kind at most.
WITH jobs AS MATERIALIZED (
    SELECT j.pk_job, j.pk_facility, j.str_name, j.str_os, j.b_auto_book
    FROM job j
    JOIN show sh ON sh.pk_show = j.pk_show AND sh.b_active AND sh.b_scheduler_managed
    CROSS JOIN LATERAL (
        SELECT 1 FROM job_stat js WHERE js.pk_job = j.pk_job AND js.int_waiting_count + 0 > 0 OFFSET 0
    ) js
    WHERE j.str_state = 'PENDING' AND j.b_paused = false
),
layers AS MATERIALIZED (
    SELECT l.str_name, coalesce(l.str_tags, '') AS tags
    FROM jobs
    CROSS JOIN LATERAL (
        SELECT l.str_name, l.str_tags
        FROM layer l
        JOIN layer_stat ls ON ls.pk_layer = l.pk_layer AND ls.int_waiting_count + 0 > 0
        WHERE l.pk_job = jobs.pk_job
        OFFSET 0
    ) l
),
wanted AS MATERIALIZED (
    SELECT DISTINCT btrim(tag) AS tag
    FROM layers
    CROSS JOIN LATERAL unnest(string_to_array(layers.tags, '|')) AS tag
),
carried AS MATERIALIZED (
    SELECT DISTINCT btrim(t.str_tag) AS tag FROM host_tag t
),
offered AS MATERIALIZED (
    SELECT DISTINCT a.pk_facility, trim(os) AS os
    FROM host_stat hs
    JOIN host h ON h.pk_host = hs.pk_host
    JOIN alloc a ON a.pk_alloc = h.pk_alloc
    CROSS JOIN LATERAL unnest(string_to_array(hs.str_os, ',')) AS os
),
found AS (
    SELECT 'auto_book' AS what, jobs.str_name::text AS name FROM jobs WHERE NOT jobs.b_auto_book
    UNION
    SELECT 'booking_off', sh.str_name::text FROM show sh WHERE sh.b_active AND sh.b_scheduler_managed AND NOT sh.b_booking_enabled
    UNION
    SELECT 'untagged', layers.str_name::text FROM layers WHERE btrim(layers.tags, '| ') = ''
    UNION
    SELECT 'pattern', w.tag FROM wanted w WHERE w.tag ~ '[][*+?(){}^$\\]'
    UNION
    SELECT 'white_space', regexp_replace(w.tag, '[[:cntrl:]]', '?', 'g') FROM wanted w WHERE w.tag ~ '[[:cntrl:]]'
    UNION
    SELECT 'case', w.tag
    FROM wanted w
    WHERE lower(w.tag) IN (SELECT lower(c.tag) FROM carried c)
      AND NOT EXISTS (SELECT 1 FROM carried c WHERE c.tag = w.tag)
    UNION
    SELECT 'os', jobs.str_os::text
    FROM jobs
    WHERE jobs.str_os <> ''
      AND NOT EXISTS (SELECT 1 FROM offered o WHERE o.pk_facility = jobs.pk_facility AND o.os = jobs.str_os)
    UNION
    SELECT 'offered_os', o.os FROM offered o WHERE o.os <> ''
),
numbered AS (
    SELECT f.what, f.name, count(*) OVER (PARTITION BY f.what) AS rows,
           row_number() OVER (PARTITION BY f.what ORDER BY f.name) AS place
    FROM found f
)
SELECT n.what, n.rows, array_agg(n.name ORDER BY n.name) AS names
FROM numbered n
WHERE n.place <= $1::bigint
GROUP BY n.what, n.rows
ORDER BY n.what
