-- A layer counts its frames in each state that has a counter.
SELECT format('layer %s counts waiting %s, running %s, dead %s, depend %s, eaten %s, succeeded %s, checkpoint %s; '
              'its frames are %s, %s, %s, %s, %s, %s, %s',
              s.pk_layer, s.int_waiting_count, s.int_running_count, s.int_dead_count, s.int_depend_count,
              s.int_eaten_count, s.int_succeeded_count, s.int_checkpoint_count,
              coalesce(f.waiting, 0), coalesce(f.running, 0), coalesce(f.dead, 0), coalesce(f.depend, 0),
              coalesce(f.eaten, 0), coalesce(f.succeeded, 0), coalesce(f.checkpoint, 0)) AS detail
FROM layer_stat s
LEFT JOIN (
    SELECT pk_layer,
           count(*) FILTER (WHERE str_state = 'WAITING') AS waiting,
           count(*) FILTER (WHERE str_state = 'RUNNING') AS running,
           count(*) FILTER (WHERE str_state = 'DEAD') AS dead,
           count(*) FILTER (WHERE str_state = 'DEPEND') AS depend,
           count(*) FILTER (WHERE str_state = 'EATEN') AS eaten,
           count(*) FILTER (WHERE str_state = 'SUCCEEDED') AS succeeded,
           count(*) FILTER (WHERE str_state = 'CHECKPOINT') AS checkpoint
    FROM frame
    GROUP BY pk_layer
) f ON f.pk_layer = s.pk_layer
WHERE (s.int_waiting_count, s.int_running_count, s.int_dead_count, s.int_depend_count,
       s.int_eaten_count, s.int_succeeded_count, s.int_checkpoint_count) IS DISTINCT FROM
      (coalesce(f.waiting, 0), coalesce(f.running, 0), coalesce(f.dead, 0), coalesce(f.depend, 0),
       coalesce(f.eaten, 0), coalesce(f.succeeded, 0), coalesce(f.checkpoint, 0))
ORDER BY s.pk_layer
