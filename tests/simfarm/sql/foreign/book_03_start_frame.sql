-- Starts the frame if a limit of its layer has room, or it has none, and its gate is open.
UPDATE frame f
SET str_state = 'RUNNING',
    str_host = $3,
    int_cores = $4,
    int_mem_reserved = $5,
    int_gpus = $6,
    int_gpu_mem_reserved = $7,
    ts_started = current_timestamp,
    ts_updated = current_timestamp,
    ts_stopped = NULL,
    int_version = f.int_version + 1
WHERE f.pk_frame = $1
  AND f.str_state = 'WAITING'
  AND f.int_version = $2
  AND EXISTS (
      SELECT FROM layer y
      WHERE y.pk_layer = f.pk_layer
        AND (y.ts_start_after IS NULL OR y.ts_start_after <= current_timestamp)
  )
  AND (
      NOT EXISTS (SELECT FROM layer_limit ll WHERE ll.pk_layer = f.pk_layer)
      OR EXISTS (
          SELECT FROM layer_limit ll
          JOIN limit_record r ON r.pk_limit_record = ll.pk_limit_record
          WHERE ll.pk_layer = f.pk_layer
            AND r.int_max_value > (
                SELECT count(*)
                FROM frame other
                WHERE other.str_state = 'RUNNING'
                  AND other.pk_layer IN (
                      SELECT o.pk_layer FROM layer_limit o WHERE o.pk_limit_record = r.pk_limit_record)
            )
      )
  )
