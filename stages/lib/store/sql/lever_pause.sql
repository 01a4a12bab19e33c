-- lever_pause: sets the pause of a scope, or replaces the one that it has. Sets nothing if no facility or show has the
-- name of the scope.
-- $1 id of a new row; $2 scope; $3 text of the pause; $4 milliseconds until its end; $5 facility and $6 show, each NULL
-- unless the scope names one.
INSERT INTO config AS c (pk_config, str_key, int_value, long_value, str_value, b_value)
SELECT $1, 'cue_pause_' || left(md5($2), 26), n.now_ms, n.now_ms + $4, $3, true
FROM (SELECT floor(date_part('epoch', clock_timestamp()) * 1000)::bigint AS now_ms) n
WHERE ($5::text IS NULL OR EXISTS (SELECT FROM facility f WHERE f.str_name = $5))
  AND ($6::text IS NULL OR EXISTS (SELECT FROM show s WHERE s.str_name = $6))
ON CONFLICT (str_key) DO UPDATE
SET int_value = excluded.int_value, long_value = excluded.long_value, str_value = excluded.str_value, b_value = true
RETURNING true AS is_set
