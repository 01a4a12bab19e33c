-- Takes the frames off their procs: the run is over, the host's cores are not free yet.
WITH locked AS MATERIALIZED (
    SELECT p.pk_proc
    FROM proc p
    JOIN unnest($1::text[], $2::text[]) AS r (pk_proc, pk_frame)
      ON r.pk_proc = p.pk_proc AND r.pk_frame = p.pk_frame
    ORDER BY p.pk_proc
    FOR UPDATE OF p
)
UPDATE proc p
SET pk_frame = NULL
FROM locked l
WHERE p.pk_proc = l.pk_proc
