-- A layer counts the cores and GPUs of all its procs.
SELECT format('layer %s counts %s centicores, %s GPUs; its procs reserve %s, %s',
              coalesce(r.pk_layer, p.pk_layer), coalesce(r.int_cores, 0), coalesce(r.int_gpus, 0),
              coalesce(p.cores, 0), coalesce(p.gpus, 0)) AS detail
FROM layer_resource r
FULL JOIN (
    SELECT pk_layer, sum(int_cores_reserved) AS cores, sum(int_gpus_reserved) AS gpus
    FROM proc
    GROUP BY pk_layer
) p ON p.pk_layer = r.pk_layer
WHERE coalesce(r.int_cores, 0) <> coalesce(p.cores, 0) OR coalesce(r.int_gpus, 0) <> coalesce(p.gpus, 0)
ORDER BY coalesce(r.pk_layer, p.pk_layer)
