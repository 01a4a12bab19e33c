-- held_layers: counts those of the layers that may still run. They are what lock_layers has just left out,
-- so another transaction holds them.
-- $1 layers.
SELECT count(*) AS held
FROM layer l
CROSS JOIN LATERAL (
    SELECT 1 FROM job j
    WHERE j.pk_job = l.pk_job AND j.str_state || '' = 'PENDING' AND j.b_paused = false
    OFFSET 0
) j
JOIN layer_stat ls ON ls.pk_layer = l.pk_layer
WHERE l.pk_layer = ANY($1::text[])
  AND ls.int_waiting_count + 0 > 0
  AND (l.ts_start_after IS NULL OR l.ts_start_after <= current_timestamp)
