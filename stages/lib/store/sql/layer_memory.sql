-- layer_memory: the largest memory that frames of each layer were seen to use, in KiB: of frames that succeeded, or if
-- there are none, of frames that run; some of them if there are many.
-- $1 layers.
SELECT want.pk_layer, memory.seen
FROM unnest($1::text[]) AS want(pk_layer)
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT array_agg(f.int_mem_max_used)
         FROM (SELECT f.int_mem_max_used
               FROM frame f
               -- Spelled as an expression, for the index on states holds every frame of the farm.
               WHERE f.pk_layer = want.pk_layer AND f.str_state || '' = 'SUCCEEDED' AND f.int_mem_max_used > 0
               LIMIT 32) f),
        (SELECT array_agg(p.int_mem_max_used)
         FROM (SELECT p.int_mem_max_used
               FROM proc p
               WHERE p.pk_layer = want.pk_layer AND p.int_mem_max_used > 0
               LIMIT 32) p)
    ) AS seen
    OFFSET 0
) memory
WHERE memory.seen IS NOT NULL
