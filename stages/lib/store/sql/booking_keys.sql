-- booking_keys: keys of the rows that a booking of these layers needs, beside those of layers and frames.
-- $1 layers.
SELECT l.pk_layer, j.pk_job, j.pk_folder, j.pk_dept, j.pk_show,
       ARRAY(SELECT DISTINCT ll.pk_limit_record::text FROM layer_limit ll WHERE ll.pk_layer = l.pk_layer) AS limits,
       ARRAY(
           SELECT s.pk_alloc::text
           FROM subscription s
           JOIN alloc a ON a.pk_alloc = s.pk_alloc
           WHERE s.pk_show = j.pk_show AND a.pk_facility = j.pk_facility
       ) AS allocs
FROM layer l
JOIN job j ON j.pk_job = l.pk_job
WHERE l.pk_layer = ANY($1::text[])
