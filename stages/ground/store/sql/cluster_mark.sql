-- cluster_mark: a text that changes when list_clusters would answer something else, and whether the
-- facility is there. Sums of hashes, because nothing has to be sorted or sent for them.
-- $1 facility name, or NULL for all of them.
SELECT $1::text IS NULL OR EXISTS (SELECT 1 FROM facility fa WHERE fa.str_name = $1) AS facility_known,
       concat_ws(' ',
           (SELECT sum(hashtextextended(fa.str_name, hashtext(fa.pk_facility))) FROM facility fa),
           (SELECT sum(hashtextextended(concat_ws(' ', a.pk_facility, a.str_tag), hashtext(a.pk_alloc))) FROM alloc a),
           (SELECT sum(hashtextextended(sh.str_name, hashtext(sh.pk_show)))
            FROM show sh
            WHERE sh.b_active AND sh.b_scheduler_managed),
           (SELECT sum(hashtextextended(s.pk_show, hashtext(s.pk_alloc))) FROM subscription s),
           (SELECT sum(hashtextextended(h.pk_alloc, hashtext(h.pk_host))) FROM host h),
           (SELECT sum(hashtextextended(t.str_tag, hashtext(t.pk_host) # hashtext(t.str_tag_type))) FROM host_tag t)
       ) AS mark
